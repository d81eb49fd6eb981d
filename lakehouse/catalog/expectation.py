"""When a feed must have sent something: `daily by 07:00`, in its own time zone."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import count
from zoneinfo import ZoneInfo

from lakehouse.errors import SpecError

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_NAMED = {"daily": range(7), "weekdays": range(5)} | {
    name: range(day, day + 1) for day, name in enumerate(_DAYS)
}
_TOLD = re.compile(
    rf"({'|'.join(_NAMED)})(?: from ([01]\d|2[0-3]):([0-5]\d))? by ([01]\d|2[0-3]):([0-5]\d)\Z"
)


@dataclass(frozen=True, slots=True)
class Window:
    """Something must have arrived from `begins_at` on, and before `due_at`."""

    begins_at: datetime
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Expectation:
    """On these days (0 is Monday) something must have arrived by a local time: since midnight, or
    since `start`, which is one of the evening before when it is later than `by`."""

    told: str
    days: frozenset[int]
    start: time
    by: time
    zone: str

    def newest(self, now: datetime) -> Window:
        """The last window that is over."""
        return next(self._windows(now))

    def missed_since(self, last: datetime | None, now: datetime) -> datetime | None:
        """When the first window was over after whose begin nothing had come, where `last` is when
        something came last; of what never came the newest. None where nothing is missing."""
        if last is None:
            return self.newest(now).due_at
        missed = None
        for window in self._windows(now):
            if last >= window.begins_at:
                break
            missed = window.due_at
        return missed

    def _windows(self, now: datetime) -> Iterator[Window]:
        """Those that are over, the newest first."""
        today = now.astimezone(ZoneInfo(self.zone)).date()
        for back in count():
            window = self._window(today - timedelta(days=back))
            if (today.weekday() - back) % 7 in self.days and window.due_at <= now:
                yield window

    def _window(self, day: date) -> Window:
        evening = timedelta(days=1) if self.start > self.by else timedelta()
        return Window(self._instant(day - evening, self.start), self._instant(day, self.by))

    def _instant(self, day: date, at: time) -> datetime:
        """A local time; one that the clocks leave out is an hour later, of one that they show twice
        it is the first."""
        return datetime.combine(day, at, ZoneInfo(self.zone)).astimezone(UTC)


def parse_expectation(text: str, zone: str) -> Expectation:
    """Read `daily by 07:00`, `weekdays from 20:00 by 06:30` or `Monday by 12:00`.

    Raises SpecError for anything else.
    """
    match = _TOLD.match(text)
    if not match:
        raise SpecError(
            "it is none of `daily by 07:00`, `weekdays from 20:00 by 06:30`, `Monday by 12:00`"
        )
    days, start_hour, start_minute, hour, minute = match.groups()
    start = time(int(start_hour or 0), int(start_minute or 0))
    by = time(int(hour), int(minute))
    if start == by:
        raise SpecError("nothing can arrive between a time and the same time")
    return Expectation(text, frozenset(_NAMED[days]), start, by, zone)
