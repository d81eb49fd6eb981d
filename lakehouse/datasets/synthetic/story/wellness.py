"""Yearly check-ups: measured, asked, vaccinated; some leave with tablets for what was found."""

from lakehouse.datasets.synthetic.clock import DAY, HOUR
from lakehouse.datasets.synthetic.life import WELL, Life, Plan, State
from lakehouse.datasets.synthetic.sites import FAMILY
from lakehouse.datasets.synthetic.words import drugs, labs
from lakehouse.datasets.synthetic.words.codes import CHECK_VISIT, CHECKUP, HYPERTENSION, LIPIDS
from lakehouse.datasets.synthetic.words.surveys import PHQ9

WEIGHT = 4
AGES = (18, 88)
SEX = ""

_PLAN = Plan("AMB", CHECK_VISIT, CHECKUP, FAMILY, WELL)
_OLDER = 50
_PAUSE = (330 * DAY, 400 * DAY)


def begin(life: Life) -> State | None:
    """The first visit, within the first weeks: also what is known from before."""
    _visit(life, life.dice.between(0, 35) * DAY, is_first=True)
    return again


def again(life: Life) -> State | None:
    """A year later once more, at the same place."""
    _visit(life, life.now + life.dice.between(*_PAUSE) // DAY * DAY, is_first=False)
    return None


def _visit(life: Life, day: int, *, is_first: bool) -> None:
    dice = life.dice
    start = day // DAY * DAY + 14 * HOUR + 5 * dice.below(72)
    chart = life.open(_PLAN, start, site=life.sites[-1])
    chart.smoking = life.smoking
    chart.feel(0)
    chart.measure(start + 10, is_whole=True)
    chart.ask(PHQ9)
    if is_first or life.age >= _OLDER:
        chart.draw(labs.METABOLIC)
        chart.draw(
            labs.LIPID, shifts={"Cholesterol": life.age // 4, "LDL cholesterol": life.age // 5}
        )
        chart.draw(labs.COUNT)
    chart.vaccinate()
    if is_first:
        _history(life)
    chart.note("visit", after=25)
    chart.now += 30
    chart.close()


def _history(life: Life) -> None:
    dice, chart = life.dice, life.chart
    if dice.chance(22):
        chart.warn()
    if dice.chance(max(4, life.age - 20)):
        chart.diagnose(HYPERTENSION, since=chart.start - dice.between(100, 700) * DAY)
        chart.prescribe(drugs.LISINOPRIL, "outpatient", refills=3)
    if dice.chance(max(2, life.age - 35)):
        chart.diagnose(LIPIDS, since=chart.start - dice.between(100, 700) * DAY)
        chart.prescribe(drugs.ATORVASTATIN, "outpatient", refills=3)
