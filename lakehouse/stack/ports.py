"""TCP ports on loopback: the two people use are set, the inner ones are found and recorded."""

import secrets
import socket
from collections.abc import Collection, Mapping
from dataclasses import replace
from types import MappingProxyType

from lakehouse.errors import SpecError, StoreError
from lakehouse.settings import Settings
from lakehouse.stack.places import Places, read_json, write_json

LOOPBACK = "127.0.0.1"
# Below the ports that the kernel gives to outgoing connections: one of those could take ours
# in the moment in which a server is started again.
_LEAST, _MOST = 20_000, 32_000
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


def running(settings: Settings) -> Settings:
    """Return the settings with the ports that the running stack has; unchanged when none runs."""
    recorded = read_json(Places(settings.home).outer_ports)
    return replace(settings, ports=MappingProxyType(recorded)) if recorded else settings


def require_same(settings: Settings) -> None:
    """Raise SpecError when a port is set by hand that is not the running stack's."""
    recorded = running(settings).ports
    for name, variable in _VARIABLES.items():
        if variable in settings.environment and settings.ports[name] != recorded[name]:
            raise SpecError(
                f"the stack is running with port {recorded[name]} for {name}, and not"
                f" with {settings.ports[name]}",
                hint=f"unset {variable}, or run `lakehouse down` first",
            )


def inner_ports(settings: Settings, twins: Mapping[str, int]) -> dict[str, int]:
    """Return a free port for each name: the recorded one where it is still free, else another.

    The value of a name is the distance to a second port that must be free as well, or 0.
    """
    path = Places(settings.home).inner_ports
    recorded = read_json(path)
    taken = set(settings.ports.values())
    chosen: dict[str, int] = {}
    for name, twin in twins.items():
        port = int(recorded.get(name, 0))
        chosen[name] = port if port and _are_free(port, twin, taken) else find(twin, taken)
        taken |= {chosen[name], chosen[name] + twin}
    write_json(path, {**recorded, **chosen})
    return chosen


def find(twin: int = 0, taken: Collection[int] = ()) -> int:
    """Return a port that is free now and not `taken`, like the one in `twin` steps from it."""
    while True:
        port = _LEAST + secrets.randbelow(_MOST - _LEAST)
        if _are_free(port, twin, taken):
            return port


def _are_free(port: int, twin: int, taken: Collection[int]) -> bool:
    return all(one not in taken and is_free(one) for one in {port, port + twin})
