"""Whether a feed keeps what its stanza says of it, in the local time of its patients."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from lakehouse.catalog.spec import Expectation


@dataclass(frozen=True, slots=True)
class Lag:
    """How a feed stands: `due_at` is the next deadline, `late_seconds` how long the last one has
    passed without a delivery, 0 where there was one."""

    due_at: str
    late_seconds: int

    @property
    def is_late(self) -> bool:
        """True when a delivery is missing."""
        return self.late_seconds > 0


def judge(expected: Expectation, zone: str, last: datetime | None, now: datetime) -> Lag:
    """How a feed stands whose last delivery came at `last`, None where none ever came.

    Daily: a delivery counts for the first deadline behind it. Every so often: the next deadline is
    so long after the last delivery.
    """
    if expected.by is None:
        return _judge_interval(timedelta(seconds=expected.every_seconds), last, now)
    place = ZoneInfo(zone)
    local = now.astimezone(place)
    # wall-clock arithmetic: a day of 23 or 25 hours moves no deadline
    deadline = datetime.combine(local.date(), expected.by, place)
    if deadline > local:
        deadline = _day_before(deadline)
    due = datetime.combine(deadline.date() + timedelta(days=1), expected.by, place)
    has_come = last is not None and last > _day_before(deadline)
    late = 0 if has_come else int((now - deadline.astimezone(UTC)).total_seconds())
    return Lag(due.astimezone(UTC).isoformat(), max(late, 0))


def _day_before(deadline: datetime) -> datetime:
    day = deadline.date() - timedelta(days=1)
    return datetime.combine(day, deadline.time(), deadline.tzinfo)


def _judge_interval(every: timedelta, last: datetime | None, now: datetime) -> Lag:
    due = (last or now) + every
    late = int((now - due).total_seconds()) if last else int(every.total_seconds())
    return Lag(due.astimezone(UTC).isoformat(), max(late, 0))
