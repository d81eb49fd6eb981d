"""A worn knee: looked at, replaced as planned, seen again."""

from lakehouse.datasets.synthetic.clock import DAY, HOUR
from lakehouse.datasets.synthetic.life import WELL, Life, Plan, State
from lakehouse.datasets.synthetic.model import Signs
from lakehouse.datasets.synthetic.sites import SURGERY
from lakehouse.datasets.synthetic.words import drugs, labs
from lakehouse.datasets.synthetic.words.codes import (
    ADMISSION,
    AFTERCARE,
    ARTHROSIS,
    FOLLOW_UP,
    KNEE_REPLACEMENT,
)
from lakehouse.datasets.synthetic.words.imaging import KNEE_MR, WORN_KNEE

WEIGHT = 2
AGES = (50, 84)
SEX = ""

_LOOK = Plan("AMB", FOLLOW_UP, ARTHROSIS, SURGERY, WELL)
_STAY = Plan("IMP", ADMISSION, ARTHROSIS, SURGERY, Signs(18, 4, -3, 8, -8, -4))
_AFTER = Plan("AMB", FOLLOW_UP, AFTERCARE, SURGERY, WELL)
_REHAB_FROM = 70


def begin(life: Life) -> State | None:
    """Pain for years; pictures."""
    life.now = life.dice.between(60, 420) * DAY
    chart = life.open(_LOOK, life.now + 15 * HOUR)
    chart.feel(0)
    chart.measure(chart.start + 5, is_whole=True, pain=6)
    chart.diagnose(ARTHROSIS, since=chart.start - 700 * DAY, is_principal=True)
    chart.image(KNEE_MR, WORN_KNEE)
    chart.prescribe(drugs.IBUPROFEN, "outpatient", days=30)
    chart.note("visit")
    chart.now += 40
    chart.close()
    return operation


def operation(life: Life) -> State | None:
    """The day was fixed weeks before."""
    day = (life.now + life.dice.between(20 * DAY, 90 * DAY)) // DAY * DAY
    chart = life.open(_STAY, day + 11 * HOUR)
    chart.is_elective = True
    chart.feel(0)
    chart.diagnose(ARTHROSIS, since=chart.start - 760 * DAY, is_principal=True)
    chart.draw(labs.COUNT)
    chart.draw(labs.METABOLIC)
    chart.draw(labs.BLOOD_TYPE)
    chart.note("admission")
    chart.operate(KNEE_REPLACEMENT, 95, after=3 * HOUR, implants=True)
    chart.note("operative", after=5 * HOUR)
    chart.prescribe(drugs.ACETAMINOPHEN, "inpatient")
    chart.prescribe(drugs.IBUPROFEN, "inpatient", days=2)
    chart.stay("surg", life.dice.between(30 * HOUR, 80 * HOUR), 25)
    chart.draw(labs.COUNT, shifts={"Hemoglobin": -22}, after=-12 * HOUR)
    chart.note("discharge", after=-40)
    chart.prescribe(drugs.ACETAMINOPHEN, "discharge", days=14)
    chart.close("rehab" if life.age > _REHAB_FROM else "home")
    return look


def look(life: Life) -> State | None:
    """Six weeks later it bends."""
    start = (life.now + 42 * DAY) // DAY * DAY + 18 * HOUR
    chart = life.open(_AFTER, start)
    chart.feel(0)
    chart.measure(start + 5, is_whole=True, pain=2)
    chart.note("visit")
    chart.now += 20
    chart.close()
    return None
