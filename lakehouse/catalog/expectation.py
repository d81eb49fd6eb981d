"""When a feed must have sent something: `daily by 07:00` by its own clocks, `every 4 hours`."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import count
from typing import Protocol
from zoneinfo import ZoneInfo

from lakehouse.errors import SpecError

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_NAMED = {"daily": range(7), "weekdays": range(5)} | {
    name: range(day, day + 1) for day, name in enumerate(_DAYS)
}
_TOLD = re.compile(
    rf"({'|'.join(_NAMED)})(?: from ([01]\d|2[0-3]):([0-5]\d))? by ([01]\d|2[0-3]):([0-5]\d)\Z"
)
_OFTEN = re.compile(r"every ([1-9]\d{0,3}) (minute|hour|day)s?\Z")
_ANY = datetime(2000, 1, 1, tzinfo=UTC)


class Expectation(Protocol):
    """What a stanza says of the rhythm of a feed; `told` as it is written."""

    @property
    def told(self) -> str:
        """As the stanza writes it."""

    def missed_since(self, last: datetime | None, now: datetime) -> datetime | None:
        """When the first time passed by which something should have come, where `last` is when
        something came last; of what never came the newest. None where nothing is missing."""

    def next_due(self, last: datetime | None, now: datetime) -> datetime:
        """The next time by which something should come."""


@dataclass(frozen=True, slots=True)
class Window:
    """Something must have arrived from `begins_at` on, and before `due_at`."""

    begins_at: datetime
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Interval:
    """Something must come within so long after what came last."""

    told: str
    every: timedelta

    def missed_since(self, last: datetime | None, now: datetime) -> datetime | None:
        """See Expectation."""
        due = now - (now - _ANY) % self.every if last is None else last + self.every
        return due if due <= now else None

    def next_due(self, last: datetime | None, now: datetime) -> datetime:
        """See Expectation."""
        missed = self.missed_since(last, now)
        return (missed or last or now) + self.every


@dataclass(frozen=True, slots=True)
class Times:
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
        """See Expectation: a window is missed when nothing came after it began."""
        if last is None:
            return self.newest(now).due_at
        missed = None
        for window in self._windows(now):
            if last >= window.begins_at:
                break
            missed = window.due_at
        return missed

    def next_due(self, last: datetime | None, now: datetime) -> datetime:
        """See Expectation."""
        today = now.astimezone(ZoneInfo(self.zone)).date()
        days = (today + timedelta(days=ahead) for ahead in count())
        dues = (self._window(day).due_at for day in days if day.weekday() in self.days)
        return next(due for due in dues if due > now)

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
    """Read `daily by 07:00`, `weekdays from 20:00 by 06:30`, `Monday by 12:00` or `every 4 hours`.

    Raises SpecError for anything else.
    """
    if often := _OFTEN.match(text):
        return Interval(text, timedelta(**{f"{often[2]}s": int(often[1])}))
    match = _TOLD.match(text)
    if not match:
        raise SpecError(
            "it is none of `daily by 07:00`, `weekdays from 20:00 by 06:30`, `Monday by 12:00`, "
            "`every 4 hours`"
        )
    days, start_hour, start_minute, hour, minute = match.groups()
    start = time(int(start_hour or 0), int(start_minute or 0))
    by = time(int(hour), int(minute))
    if start == by:
        raise SpecError("nothing can arrive between a time and the same time")
    return Times(text, frozenset(_NAMED[days]), start, by, zone)
