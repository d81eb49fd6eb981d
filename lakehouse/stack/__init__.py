"""Starts, watches and stops the embedded stack."""

from lakehouse.stack.airflow import AirflowAccess, access
from lakehouse.stack.control import ComponentStatus, StackStatus, down, status, up
from lakehouse.stack.doctor import Finding, doctor

__all__ = [
    "AirflowAccess",
    "ComponentStatus",
    "Finding",
    "StackStatus",
    "access",
    "doctor",
    "down",
    "status",
    "up",
]
