"""What a body does, minute by minute: nurses, monitors and devices all look at this."""

from collections.abc import Iterator, Sequence

from lakehouse.datasets.synthetic.dice import scatter
from lakehouse.datasets.synthetic.model import Encounter, Signs

_SLOW = 30


def severity_at(course: Sequence[tuple[int, int]], minute: int) -> int:
    """How ill somebody is, from 0 to 100: even change between the points of a course."""
    before, level = course[0] if course else (0, 0)
    for at, value in course:
        if minute < at:
            return level + (value - level) * (minute - before) // (at - before)
        before, level = at, value
    return level


def signs_at(encounter: Encounter, minute: int) -> Signs:
    """The vital signs of a minute of an encounter."""
    return signs(
        encounter.baseline,
        encounter.illness,
        severity_at(encounter.course, minute),
        scatter(encounter.noise, minute),
        scatter(encounter.noise + 1, minute // _SLOW),
    )


def series(encounter: Encounter, start: int, end: int) -> Iterator[tuple[int, Signs]]:
    """The vital signs of every minute from `start` until before `end`."""
    slow, until = 0, start
    for minute in range(start, end):
        if minute >= until:
            slow = scatter(encounter.noise + 1, minute // _SLOW)
            until = (minute // _SLOW + 1) * _SLOW
        level, quick = severity_at(encounter.course, minute), scatter(encounter.noise, minute)
        yield minute, signs(encounter.baseline, encounter.illness, level, quick, slow)


def monitored(encounter: Encounter) -> Iterator[tuple[int, Signs]]:
    """Every minute in which a bedside monitor was connected, with what it ought to show."""
    for start, end in encounter.monitored:
        yield from series(encounter, start, end)


def signs(baseline: Signs, illness: Signs, severity: int, quick: int, slow: int) -> Signs:
    """A body's signs; `quick` and `slow` are 64 random bits that change in minutes and half
    hours."""
    oxygen = (
        baseline.oxygen_saturation
        + (illness.oxygen_saturation * severity + (quick >> 20 & 127)) // 100
        + ((slow >> 20 & 3) - 1) // 2
    )
    return Signs(
        baseline.heart_rate
        + illness.heart_rate * severity // 100
        + ((quick & 7) + (slow & 15) - 11) * 2 // 3,
        baseline.respiratory_rate
        + illness.respiratory_rate * severity // 100
        + (quick >> 10 & 1)
        + (slow >> 10 & 3)
        - 2,
        max(60, min(100, oxygen)),
        baseline.temperature + illness.temperature * severity // 100 + (slow >> 30 & 7) - 3,
        baseline.systolic
        + illness.systolic * severity // 100
        + (quick >> 40 & 7)
        + (slow >> 40 & 15)
        - 11,
        baseline.diastolic
        + illness.diastolic * severity // 100
        + (quick >> 50 & 3)
        + (slow >> 50 & 7)
        - 5,
    )
