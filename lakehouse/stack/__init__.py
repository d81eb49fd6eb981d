"""Starts, watches and stops the embedded stack."""

from lakehouse.stack.airflow import AirflowAccess, access
from lakehouse.stack.control import ComponentStatus, StackStatus, down, status, up

__all__ = [
    "AirflowAccess",
    "ComponentStatus",
    "StackStatus",
    "access",
    "down",
    "status",
    "up",
]
