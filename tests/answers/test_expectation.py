"""When a feed is late: in its own time zone, over changes of the clocks, and when it never came."""

from datetime import UTC, datetime, time

import pytest

from lakehouse.answers.expectation import Lag, judge
from lakehouse.catalog.spec import Expectation

VIENNA = "Europe/Vienna"
DAILY = Expectation("daily by 07:00", by=time(7))
OFTEN = Expectation("every 4 hours", every_seconds=4 * 3600)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# now, last delivery, next deadline, late by (all UTC; Vienna is one hour ahead in winter, two in summer)
TABLE = [
    ("2026-01-15T05:59", "2026-01-14T05:30", "2026-01-15T06:00", 0),
    ("2026-01-15T06:30", "2026-01-15T05:30", "2026-01-16T06:00", 0),
    ("2026-01-15T06:30", "2026-01-14T05:30", "2026-01-16T06:00", 1800),
    ("2026-01-15T06:30", "2026-01-14T07:00", "2026-01-16T06:00", 0),
    ("2026-01-15T09:00", "2026-01-15T08:00", "2026-01-16T06:00", 0),
    ("2026-01-15T06:30", None, "2026-01-16T06:00", 1800),
    ("2026-07-15T04:59", "2026-07-14T04:30", "2026-07-15T05:00", 0),
    ("2026-07-15T05:30", "2026-07-14T04:30", "2026-07-16T05:00", 1800),
    # the clocks go forward on March 29, and back on October 25
    ("2026-03-29T05:30", "2026-03-28T05:30", "2026-03-30T05:00", 1800),
    ("2026-03-28T06:30", "2026-03-28T05:30", "2026-03-29T05:00", 0),
    ("2026-10-25T06:30", "2026-10-24T04:30", "2026-10-26T06:00", 1800),
    ("2026-10-25T05:30", "2026-10-24T04:30", "2026-10-25T06:00", 0),
]  # fmt: skip


@pytest.mark.parametrize(("now", "last", "due", "late"), TABLE)
def test_daily_by_a_local_time(now: str, last: str | None, due: str, late: int) -> None:
    found = judge(DAILY, VIENNA, at(last) if last else None, at(now))
    assert found == Lag(at(due).isoformat(), late)
    assert found.is_late == (late > 0)


@pytest.mark.parametrize(
    ("last", "late"),
    [("2026-01-15T08:01", 0), ("2026-01-15T08:00", 0), ("2026-01-15T07:00", 3600), (None, 14400)],
)
def test_every_so_often(last: str | None, late: int) -> None:
    now = at("2026-01-15T12:00")
    assert judge(OFTEN, VIENNA, at(last) if last else None, now).late_seconds == late
