"""Times as senders write them."""

from datetime import UTC, datetime
from typing import Any

_EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)


def read_instant(text: Any) -> datetime | None:
    """The instant that a text in ISO 8601 names, in UTC; None when it names none.

    A time before 1900 or after 2199 is a placeholder: as the time of a version it would stand, or
    be overruled, for ever.
    """
    try:
        found = datetime.fromisoformat(text)
        instant = found.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None
    return instant if found.tzinfo and _EARLIEST <= instant < _LATEST else None
