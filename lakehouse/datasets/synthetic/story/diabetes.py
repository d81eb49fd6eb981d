"""Type 2 diabetes: a finding, a plan, and a look every few months at whether it works."""

from lakehouse.datasets.synthetic.clock import DAY, END, HOUR
from lakehouse.datasets.synthetic.life import WELL, Life, Plan, State
from lakehouse.datasets.synthetic.sites import FAMILY
from lakehouse.datasets.synthetic.words import drugs, labs
from lakehouse.datasets.synthetic.words.codes import DIABETES, FOLLOW_UP
from lakehouse.datasets.synthetic.words.surveys import PHQ9

WEIGHT = 3
AGES = (38, 80)
SEX = ""

_PLAN = Plan("AMB", FOLLOW_UP, DIABETES, FAMILY, WELL)
_GOAL = "Hemoglobin A1c below 7 percent"
_TARGET = 70


def begin(life: Life) -> State | None:
    """The check-up's sugar was high."""
    life.now = life.dice.between(50, 110) * DAY
    _visit(life, excess=life.dice.between(22, 45), is_first=True)
    return control


def control(life: Life) -> State | None:
    """Every three or four months; it gets better for two of three."""
    life.now += life.dice.between(95, 130) * DAY
    if life.now > END - 30 * DAY:
        return None
    _visit(life, excess=8 if life.ordinal % 3 else 30, is_first=False)
    return control


def _visit(life: Life, *, excess: int, is_first: bool) -> None:
    start = life.now // DAY * DAY + 13 * HOUR + 5 * life.dice.below(80)
    chart = life.open(_PLAN, start)
    chart.feel(0)
    chart.measure(start + 6, is_whole=True)
    shifts = {"Hemoglobin A1c": excess, "Glucose": 2 * excess, "Urine ketones": 8}
    chart.draw(labs.SUGAR, shifts=shifts)
    chart.draw(labs.URINE, shifts=shifts)
    if is_first:
        chart.draw(labs.METABOLIC, shifts=shifts)
        chart.diagnose(DIABETES, is_principal=True)
        chart.plan(DIABETES, _GOAL, labs.HBA1C, _TARGET)
        chart.ask(PHQ9)
    chart.prescribe(drugs.METFORMIN, "outpatient", refills=3)
    chart.note("visit")
    chart.now += 30
    chart.close()
