"""The time of the story: whole minutes, and how they are written in a zone."""

from bisect import bisect_right
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

BEGIN = datetime(2024, 11, 15, tzinfo=UTC)
"""Minute 0."""
HOUR = 60
DAY = 24 * HOUR
END = 730 * DAY
"""The first export is taken in this minute; a few stays go on, and people correct what they
wrote."""
EXPORTS = 3
NIGHTS = (
    (datetime(2026, 11, 1, tzinfo=UTC) - BEGIN) // timedelta(minutes=1),
    (datetime(2026, 3, 8, tzinfo=UTC) - BEGIN) // timedelta(minutes=1),
)
"""Two nights in which American clocks change; at each site somebody spends them in a ward."""

_EARLIEST, _LATEST = -2 * 366, 800
_DATES = [(BEGIN.date() + timedelta(days=day)).isoformat() for day in range(_EARLIEST, _LATEST + 2)]
_CLOCK = [f"{minute // 60:02}:{minute % 60:02}:00" for minute in range(DAY)]


def exported_at(export: int) -> int:
    """The minute in which an export is taken: 1 at END, each later one a day later."""
    return END + (export - 1) * DAY


def moment(minute: int) -> datetime:
    """A minute of the story as an aware time in UTC."""
    return BEGIN + timedelta(minutes=minute)


def utc(minute: int) -> str:
    """A minute of the story as an ISO 8601 instant in UTC, like 2026-11-15T00:00:00Z."""
    day, clock = divmod(minute, DAY)
    return f"{_DATES[day - _EARLIEST]}T{_CLOCK[clock]}Z"


class Zone:
    """A time zone, ready to write many minutes of the story quickly."""

    __slots__ = ("_changes", "_offsets", "_texts", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        zone = ZoneInfo(name)
        self._changes = [_EARLIEST * DAY]
        self._offsets = [_offset(zone, _EARLIEST * DAY)]
        for day in range(_EARLIEST, _LATEST):
            # clocks change at most once a day, at a full hour
            if _offset(zone, (day + 1) * DAY) == self._offsets[-1]:
                continue
            hours = range(day * DAY, (day + 1) * DAY + 1, HOUR)
            at = next(hour for hour in hours if _offset(zone, hour) != self._offsets[-1])
            self._changes.append(at)
            self._offsets.append(_offset(zone, at))
        self._texts = [_offset_text(offset) for offset in self._offsets]

    def local(self, minute: int) -> int:
        """The minute that the clocks of the zone show, counted like the story's minutes."""
        return minute + self._offsets[bisect_right(self._changes, minute) - 1]

    def iso(self, minute: int) -> str:
        """ISO 8601 with the offset, like 2026-11-14T19:00:00-05:00."""
        place = bisect_right(self._changes, minute) - 1
        day, clock = divmod(minute + self._offsets[place], DAY)
        return f"{_DATES[day - _EARLIEST]}T{_CLOCK[clock]}{self._texts[place]}"

    def day(self, minute: int) -> str:
        """The local date, like 2026-11-14."""
        return _DATES[self.local(minute) // DAY - _EARLIEST]

    def offset(self, minute: int) -> str:
        """The offset from UTC, like -05:00."""
        return self._texts[bisect_right(self._changes, minute) - 1]


def date_of(minute: int) -> date:
    """The date of a minute in UTC."""
    return moment(minute).date()


def _offset(zone: ZoneInfo, minute: int) -> int:
    return (moment(minute).astimezone(zone).utcoffset() or timedelta()) // timedelta(minutes=1)


def _offset_text(minutes: int) -> str:
    sign = "-" if minutes < 0 else "+"
    hours, rest = divmod(abs(minutes), 60)
    return f"{sign}{hours:02}:{rest:02}"
