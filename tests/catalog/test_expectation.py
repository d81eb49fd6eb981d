"""When something is late: by local clocks, also on the days on which they change."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.catalog.expectation import Times, parse_expectation
from lakehouse.errors import SpecError

ZONE = "America/New_York"


def local(text: str) -> datetime:
    """A time of 2026 by the clocks of New York: `03-08 07:00`."""
    return datetime.fromisoformat(f"2026-{text}").replace(tzinfo=ZoneInfo(ZONE)).astimezone(UTC)


# The expectation, when something came last, now, and since when it is late. 2026-03-02 is a Monday.
CASES = [
    ("daily by 07:00", "03-03 05:00", "03-03 07:00", None),
    ("daily by 07:00", "03-02 05:00", "03-03 06:59", None),
    ("daily by 07:00", "03-02 05:00", "03-03 07:00", "03-03 07:00"),
    ("daily by 07:00", "03-02 05:00", "03-05 12:00", "03-03 07:00"),
    # what came late ends it, and is not taken for the next day's
    ("daily by 07:00", "03-03 08:00", "03-03 09:00", None),
    ("daily by 07:00", "03-03 08:00", "03-04 07:00", "03-04 07:00"),
    # the evening before counts when the stanza says so
    ("daily by 07:00", "03-02 23:00", "03-03 07:00", "03-03 07:00"),
    ("daily from 20:00 by 07:00", "03-02 23:00", "03-03 07:00", None),
    ("daily from 20:00 by 07:00", "03-02 19:59", "03-03 07:00", "03-03 07:00"),
    ("weekdays by 07:00", "03-06 05:00", "03-08 12:00", None),
    ("weekdays by 07:00", "03-06 05:00", "03-09 07:00", "03-09 07:00"),
    ("Monday by 12:00", "03-02 11:00", "03-08 23:00", None),
    ("Monday by 12:00", "03-02 11:00", "03-09 12:00", "03-09 12:00"),
    # on 2026-03-08 there is no 02:30, on 2026-11-01 there are two of 01:30
    ("daily by 02:30", "03-07 01:00", "03-08 03:29", None),
    ("daily by 02:30", "03-07 01:00", "03-08 03:30", "03-08 03:30"),
    ("daily by 01:30", "10-31 01:00", "11-01 01:29", None),
    ("daily by 01:30", "10-31 01:00", "11-01 01:30", "11-01 01:30"),
    ("daily by 07:00", "11-01 00:00", "11-01 07:00", None),
    ("daily by 07:00", None, "03-05 06:59", "03-04 07:00"),
    ("every 4 hours", "03-03 06:00", "03-03 09:59", None),
    ("every 4 hours", "03-03 06:00", "03-03 10:00", "03-03 10:00"),
    ("every 4 hours", "03-03 06:00", "03-07 10:00", "03-03 10:00"),
    ("every 1 day", "03-07 12:00", "03-08 12:59", None),
    ("every 90 minutes", None, "03-03 07:10", "03-03 07:00"),
]


@pytest.mark.parametrize(("told", "last", "now", "since"), CASES)
def test_it_is_late_when_nothing_came_in_the_window(
    told: str, last: str | None, now: str, since: str | None
) -> None:
    expected = parse_expectation(told, ZONE)
    missed = expected.missed_since(local(last) if last else None, local(now))
    assert missed == (local(since) if since else None)


NEXT = [
    ("daily by 07:00", "03-03 06:59", "03-03 07:00"),
    ("daily by 07:00", "03-03 07:00", "03-04 07:00"),
    ("weekdays from 20:00 by 07:00", "03-06 07:00", "03-09 07:00"),
    ("Monday by 12:00", "03-02 12:01", "03-09 12:00"),
    ("every 4 hours", "03-03 08:00", "03-03 10:00"),
    ("every 4 hours", "03-03 17:00", "03-03 14:00"),
]


@pytest.mark.parametrize(("told", "now", "due"), NEXT)
def test_the_next_time_is_after_now_and_of_an_interval_after_what_is_missed(
    told: str, now: str, due: str
) -> None:
    assert parse_expectation(told, ZONE).next_due(local("03-03 06:00"), local(now)) == local(due)


@pytest.mark.parametrize(
    "told",
    ["", "daily", "daily by 7:00", "daily by 24:00", "daily by 07:60", "Daily by 07:00", "daily by 07:00 ",
     "Caturday by 07:00", "daily from 07:00 by 07:00", "daily by 00:00", "daily by 07:00\n"],
)  # fmt: skip
def test_what_is_no_expectation_is_refused(told: str) -> None:
    with pytest.raises(SpecError):
        parse_expectation(told, ZONE)


@given(
    now=st.integers(1_577_836_800, 1_893_456_000),
    before=st.integers(0, 30 * 24 * 60),
    told=st.sampled_from(["daily by 07:00", "weekdays from 22:15 by 02:30", "Sunday by 01:30"]),
    zone=st.sampled_from([ZONE, "Europe/Vienna", "Asia/Kolkata", "Pacific/Chatham", "UTC"]),
)
def test_the_past_is_late_once_and_what_came_in_the_newest_window_is_never_late(
    now: int, before: int, told: str, zone: str
) -> None:
    expected, at = parse_expectation(told, zone), datetime.fromtimestamp(now, UTC)
    assert isinstance(expected, Times)
    last = at - timedelta(minutes=before)
    newest, missed = expected.newest(at), expected.missed_since(last, at)
    assert newest.begins_at < newest.due_at <= at
    assert at - newest.due_at < timedelta(days=7, hours=2)
    assert (missed is None) == (last >= newest.begins_at)
    if missed is not None:
        assert last < missed <= newest.due_at
        assert expected.missed_since(last, at + timedelta(days=9)) == missed
