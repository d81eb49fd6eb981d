"""TCP ports on loopback: the two people use are set, the inner ones are found and recorded."""

import socket
from collections.abc import Iterable

from lakehouse.errors import StoreError
from lakehouse.stack.places import Places, read_json, write_json

LOOPBACK = "127.0.0.1"
_VARIABLES = {"airflow": "LAKEHOUSE_AIRFLOW_PORT", "s3": "LAKEHOUSE_S3_PORT"}


def is_free(port: int) -> bool:
    """Whether a server could listen on `port` of loopback, and on all addresses, now."""
    return all(_can_bind(address, port) for address in (LOOPBACK, ""))


def _can_bind(address: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except (OSError, OverflowError):
            return False
        return True


def require_free(name: str, port: int) -> None:
    """Raise StoreError when the port of `name` cannot be had, with the variable that sets it."""
    if not is_free(port):
        raise StoreError(
            f"port {port} for {name} is taken by another program, or may not be used",
            hint=f"set {_VARIABLES[name]} to a free port",
        )


def inner_ports(places: Places, names: Iterable[str]) -> dict[str, int]:
    """Return a free port for each name: the recorded one where it is still free, else another."""
    recorded = read_json(places.ports)
    chosen: dict[str, int] = {}
    for name in names:
        port = int(recorded.get(name, 0))
        usable = port > 0 and port not in chosen.values() and is_free(port)
        chosen[name] = port if usable else _find(set(chosen.values()))
    write_json(places.ports, {**recorded, **chosen})
    return chosen


def _find(taken: set[int]) -> int:
    while True:
        with socket.socket() as probe:
            probe.bind((LOOPBACK, 0))
            port = int(probe.getsockname()[1])
        if port not in taken:
            return port
