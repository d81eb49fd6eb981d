"""Logs of safe fields only: what is not listed, or does not look as listed, is dropped and named.

One line an event on stderr, in logfmt. It does not touch structlog's own configuration, which in an
Airflow process is Airflow's.
"""

import re
import sys
from collections.abc import Callable, Mapping
from typing import Any, cast

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

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


def get_logger() -> FilteringBoundLogger:
    """Return a logger whose lines hold only safe fields; `bind` adds some to all that follow."""
    made = structlog.wrap_logger(_Stderr(), processors=[_filter, _describe, _deny, _render])
    return cast(FilteringBoundLogger, made)


def configure(level: str = "info") -> None:
    """Set the least level that is written by this process."""
    global _threshold  # noqa: PLW0603 (one threshold a process)
    _threshold = _LEVELS[level]


class _Stderr:
    """Writes to whatever stderr is now, also when it was replaced after the logger was made."""

    def _write(self, line: str) -> None:
        sys.stderr.write(line + "\n")
        sys.stderr.flush()

    debug = info = warning = error = critical = exception = msg = _write


def _filter(_logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    level = "error" if method == "exception" else method
    if _LEVELS.get(level, 0) < _threshold:
        raise structlog.DropEvent
    return {"level": level, **event}


def _describe(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Keep the class of an error; its text and its traceback may quote a value."""
    told = event.pop("exc_info", None)
    found = sys.exc_info()[0] if told is True else type(told)
    if told and found and issubclass(found, BaseException):
        event["error"] = found.__name__
    return event


def _deny(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    level, text = event.pop("level"), event.pop("event", None)
    kept = {name: value for name, value in event.items() if name in SAFE and SAFE[name](value)}
    withheld = sorted(_printable(name) for name in event.keys() - kept.keys())
    if not _event(text):
        text, withheld = "something happened", ["event", *withheld]
    head: dict[str, Any] = {"level": level, "event": text}
    return head | kept | ({"withheld": ",".join(withheld)} if withheld else {})


def _printable(name: str) -> str:
    return name if _name(name) else "unnamed"


_stamp = structlog.processors.TimeStamper(fmt="iso", utc=True, key="at")
_logfmt = structlog.processors.LogfmtRenderer(key_order=["at", "level", "event"])


def _render(logger: WrappedLogger, method: str, event: EventDict) -> str:
    return str(_logfmt(logger, method, _stamp(logger, method, event)))
