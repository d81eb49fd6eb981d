"""A life while it is told: modules open charts in it, and let time pass."""

from collections.abc import Callable
from typing import NamedTuple, Union

from lakehouse.datasets.synthetic.chart import Chart
from lakehouse.datasets.synthetic.clock import DAY, END, HOUR, NIGHTS
from lakehouse.datasets.synthetic.dice import Dice
from lakehouse.datasets.synthetic.model import Demographics, Encounter, Signs
from lakehouse.datasets.synthetic.sites import Site
from lakehouse.datasets.synthetic.words.codes import Code, Problem

State = Callable[["Life"], Union["State", None]]


class Plan(NamedTuple):
    """What kind of encounter is opened: AMB, EMER or IMP, why, and whose specialty it is."""

    setting: str
    kind: Code
    problem: Problem
    specialty: int
    illness: Signs


WELL = Signs(0, 0, 0, 0, 0, 0)


class Life:
    """What modules know of a person and may change. `ordinal` counts the people with the same
    story: modules take turns of a story by it, so that even a few people show all of them."""

    def __init__(
        self,
        number: int,
        dice: Dice,
        truth: Demographics,
        age: int,
        sites: tuple[Site, ...],
        ordinal: int,
    ) -> None:
        self.number = number
        self.dice = dice
        self.key = dice.number()
        self.truth = truth
        self.age = age
        self.sites = sites
        self.ordinal = ordinal
        self.module = "wellness"
        self.has_duplicate = False
        self.height = dice.about(176 if truth.sex == "male" else 163, 7)
        self.weight = self.height * self.height * dice.between(205, 330) // 10_000
        self.smoking = dice.weighted(((58, "never"), (27, "former"), (15, "current")))
        self.baseline = _baseline(dice, age)
        self.died: int | None = None
        self.encounters: list[Encounter] = []
        self.now = 0
        self.chart: Chart
        self._opened = 0

    def open(self, plan: Plan, start: int, *, site: Site | None = None) -> Chart:
        """Open a chart of an encounter that begins in this minute, at the first site if no
        other."""
        where = site or self.sites[0]
        self._opened += 1
        is_again = self.has_duplicate and where is self.sites[0] and self._opened % 2 == 0
        self.chart = Chart(self, plan, where, self._opened, start, is_again=is_again)
        return self.chart

    def add(self, encounter: Encounter) -> None:
        """What a chart gives when it is closed."""
        self.encounters.append(encounter)
        self.now = encounter.end
        if encounter.disposition == "exp":
            self.died = encounter.end

    def first_stay(self) -> int:
        """When the main story's first stay begins: some in the nights in which clocks change,
        and the last one early enough that what follows has happened before the first export."""
        if 0 < self.number <= _EARLY and self.ordinal % _NIGHTLY < len(NIGHTS):
            return NIGHTS[self.ordinal % _NIGHTLY] - 12 * HOUR
        return self.dice.between(40 * DAY, END - 150 * DAY) + 5 * self.dice.below(12)


_EARLY = 80
_NIGHTLY = 4
_MIDDLE_AGE = 40


def _baseline(dice: Dice, age: int) -> Signs:
    older = max(0, age - _MIDDLE_AGE) // 3
    return Signs(
        dice.about(73, 5),
        dice.about(15, 1),
        dice.between(96, 98),
        dice.about(368, 2),
        dice.about(116, 7) + older,
        dice.about(74, 5),
    )
