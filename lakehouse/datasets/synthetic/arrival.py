"""How points of devices arrive: some late, twice, or after younger ones."""

from collections.abc import Iterable
from typing import TypeVar

from lakehouse.datasets.synthetic.clock import utc
from lakehouse.datasets.synthetic.dice import Dice
from lakehouse.datasets.synthetic.truth import Row, Truth

_First = TypeVar("_First")
_Second = TypeVar("_Second")
Point = tuple[int, int, _First, _Second]
"""The minute in which it was measured, that in which it came, and what the format says of it."""

SKEWS = (-90, -12, -3, 7, 61)
"""By how many minutes a clock is wrong, if it is."""
KINDS = ("late", "duplicate", "out_of_order")
"""What may be odd about a point of a clock that is right."""

_ALL = 10_000
# where everybody has a defect, one point of so many has one
_DISTURBED = 10
# how many points later
_LATE = (20, 120)
_SOON = 2


def skewed(dice: Dice, rate: int) -> int:
    """How wrong a device's clock is, in minutes: of 10,000 devices `rate` have a wrong one."""
    return dice.pick(SKEWS) if dice.below(_ALL) < rate else 0


def disturb(
    points: list[Point[_First, _Second]], dice: Dice, rate: int, step: int = 1
) -> list[tuple[str, int]]:
    """Let some points, which stand in the order of arrival, come otherwise than they should.

    `rate` of 100,000 are disturbed; points come every `step` minutes. Gives what happened (`late`
    by 20 to 120 steps, `out_of_order` by 2, `duplicate`) and the minute in which the point was
    measured.
    """
    scale = _ALL * _DISTURBED
    count = (len(points) * rate + dice.below(scale)) // scale
    chosen = {dice.below(len(points)) for _ in range(count)}
    found = []
    for place in sorted(chosen, reverse=True):
        kind = dice.pick(KINDS)
        found.append((kind, points[place][0]))
        if kind == "duplicate":
            points.insert(place, points[place])
        else:
            later = dice.between(*_LATE) if kind == "late" else _SOON
            _postpone(points, place, later * step)
    return found


def report(truth: Truth, row: Row, skew: int, found: Iterable[tuple[str, int]]) -> None:
    """Tell the truth (`sample_defect`) what `skewed` and `disturb` did to the points of a source.

    `row` says which source; points are named by the time that its clock wrote.
    """
    if skew:
        about: Row = {"kind": "clock_skew", "measured_at": None, "minutes": skew}
        truth.write("sample_defect", {**row, **about})
    for kind, minute in found:
        about = {"kind": kind, "measured_at": utc(minute + skew), "minutes": None}
        truth.write("sample_defect", {**row, **about})


def _postpone(points: list[Point[_First, _Second]], place: int, minutes: int) -> None:
    measured, received, first, second = points.pop(place)
    came = received + minutes
    while place < len(points) and points[place][1] <= came:
        place += 1
    points.insert(place, (measured, came, first, second))
