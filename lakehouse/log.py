"""Logs of safe fields only: what is not listed, or does not look as listed, is dropped and named.

One line an event on stderr, in logfmt. It does not touch structlog's own configuration, which in an
Airflow process is Airflow's.
"""

import re
import sys
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from structlog.typing import EventDict, WrappedLogger

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
_threshold = _LEVELS["info"]

# Why something was refused or left out, in words of ours; never the text of an error.
REASONS = frozenset(
    {
        "a reference table changed", "an input has other columns", "busy", "conflict", "corrupt",
        "duplicate", "empty", "gone", "not settled", "not utf-8", "old files are gone", "refused",
        "stale", "timeout", "too long", "too many", "truncated", "unknown",
    }
)  # fmt: skip


def _number(value: object) -> bool:
    return isinstance(value, int | float)


def _matches(pattern: str) -> Callable[[object], bool]:
    known = re.compile(pattern)
    return lambda value: isinstance(value, str) and known.fullmatch(value) is not None


_name = _matches(r"[a-z][a-z0-9_.:-]{0,99}")
_class = _matches(r"[A-Z][A-Za-z]{0,79}")
_NUMBERS = (
    "attempt", "blank", "bytes", "count", "deleted", "files", "good", "line", "missing", "offset",
    "pid", "port", "quarantined", "records", "refused", "restarts", "rows", "seconds", "sequence",
    "status", "unchanged", "version", "written",
)  # fmt: skip
_NAMES = ("component", "feed", "job", "layer", "mode", "role", "table")
SAFE: Mapping[str, Callable[[object], bool]] = {
    **dict.fromkeys(_NUMBERS, _number),
    **dict.fromkeys(_NAMES, _name),
    "error": _class,
    "object": _matches(r"[0-9a-f]{64}"),
    "reason": lambda value: value in REASONS,
    "run": _matches(r"[0-9a-f-]{36}"),
}
_event = _matches(r"[a-z][a-z -]{0,79}")


class Logger:
    """Writes lines that hold only safe fields, if they are of the level that this process writes.

    structlog is loaded for the first of them: that takes a tenth of a second, and most verbs of the
    command line have nothing to log.
    """

    def __init__(self, bound: Mapping[str, Any]) -> None:
        self._bound = bound

    def bind(self, **fields: Any) -> "Logger":
        """A logger that adds these fields to all its lines."""
        return Logger({**self._bound, **fields})

    def debug(self, event: str, **fields: Any) -> None:
        self._write("debug", event, fields)

    def info(self, event: str, **fields: Any) -> None:
        self._write("info", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        self._write("warning", event, fields)

    def error(self, event: str, **fields: Any) -> None:
        self._write("error", event, fields)

    def exception(self, event: str, **fields: Any) -> None:
        """An error, with the class of what is being handled."""
        self._write("error", event, {"exc_info": True, **fields})

    def _write(self, level: str, event: str, fields: Mapping[str, Any]) -> None:
        if _LEVELS[level] >= _threshold:
            getattr(_stderr(), level)(event, **{**self._bound, **fields})


def get_logger() -> Logger:
    """Return a logger; `bind` adds fields to all that it writes then."""
    return Logger({})


def configure(level: str = "info") -> None:
    """Set the least level that is written by this process."""
    global _threshold  # noqa: PLW0603 (one threshold a process)
    _threshold = _LEVELS[level]


class _Stderr:
    """Writes to whatever stderr is now, also when it was replaced after the logger was made."""

    def _write(self, line: str) -> None:
        sys.stderr.write(line + "\n")
        sys.stderr.flush()

    debug = info = warning = error = _write


@cache
def _stderr() -> Any:
    import structlog

    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True, key="at")
    render = structlog.processors.LogfmtRenderer(key_order=["at", "level", "event"])
    return structlog.wrap_logger(_Stderr(), processors=[_describe, _deny, stamp, render])


def _describe(_logger: "WrappedLogger", level: str, event: "EventDict") -> "EventDict":
    """Keep the class of an error; its text and its traceback may quote a value."""
    told = event.pop("exc_info", None)
    found = sys.exc_info()[0] if told is True else type(told)
    if told and found and issubclass(found, BaseException):
        event["error"] = found.__name__
    return {"level": level, **event}


def _deny(_logger: "WrappedLogger", _method: str, event: "EventDict") -> "EventDict":
    level, text = event.pop("level"), event.pop("event", None)
    kept = {name: value for name, value in event.items() if name in SAFE and SAFE[name](value)}
    withheld = sorted(_printable(name) for name in event.keys() - kept.keys())
    if not _event(text):
        text, withheld = "something happened", ["event", *withheld]
    head: dict[str, Any] = {"level": level, "event": text}
    return head | kept | ({"withheld": ",".join(withheld)} if withheld else {})


def _printable(name: str) -> str:
    return name if _name(name) else "unnamed"
