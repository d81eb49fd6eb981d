"""Pregnancy: visits, ultrasound, a birth, and a look after it."""

from lakehouse.datasets.synthetic.clock import DAY, END, HOUR
from lakehouse.datasets.synthetic.life import WELL, Life, Plan, State
from lakehouse.datasets.synthetic.model import Signs
from lakehouse.datasets.synthetic.sites import OBSTETRICS
from lakehouse.datasets.synthetic.words import drugs, labs
from lakehouse.datasets.synthetic.words.codes import (
    ADMISSION,
    AFTERCARE,
    ANAEMIA,
    ANTENATAL,
    BIRTH,
    DELIVERY,
    FOLLOW_UP,
    PREGNANCY,
)
from lakehouse.datasets.synthetic.words.imaging import FETAL_ULTRASOUND, FETUS

WEIGHT = 2
AGES = (19, 40)
SEX = "female"

_FIRST = Plan("AMB", ANTENATAL, PREGNANCY, OBSTETRICS, WELL)
_VISIT = Plan("AMB", FOLLOW_UP, PREGNANCY, OBSTETRICS, WELL)
_BIRTH = Plan("IMP", ADMISSION, DELIVERY, OBSTETRICS, Signs(26, 6, 0, 4, 14, 8))
_AFTER = Plan("AMB", FOLLOW_UP, AFTERCARE, OBSTETRICS, WELL)
_WEEK = 7 * DAY


def begin(life: Life) -> State | None:
    """Eight weeks; counted back from a birth that the story still tells of."""
    birth = life.dice.between(330 * DAY, END - 60 * DAY)
    conceived = birth - 40 * _WEEK
    for week in (8, 16, 20, 28, 34):
        _visit(life, conceived + week * _WEEK, week)
    life.now = birth
    return labour


def labour(life: Life) -> State | None:
    """A birth and one or two days."""
    chart = life.open(_BIRTH, life.now + life.dice.below(DAY))
    chart.feel(20)
    chart.diagnose(DELIVERY, is_principal=True, is_over=True)
    chart.draw(labs.COUNT, is_urgent=True)
    chart.note("admission")
    chart.operate(BIRTH, 40, after=life.dice.between(4 * HOUR, 10 * HOUR))
    chart.watch(chart.start + 60, chart.start + 4 * HOUR)
    chart.stay("ob", life.dice.between(36 * HOUR, 64 * HOUR), 0)
    chart.draw(labs.COUNT, shifts={"Hemoglobin": -28}, after=-20 * HOUR)
    if life.ordinal % 2 == 0:
        chart.diagnose(ANAEMIA, since=chart.now - 20 * HOUR)
    chart.prescribe(drugs.IBUPROFEN, "discharge", days=7)
    chart.note("discharge", after=-30)
    chart.close()
    return after


def after(life: Life) -> State | None:
    """Six weeks later."""
    start = (life.now + 42 * DAY) // DAY * DAY + 17 * HOUR
    chart = life.open(_AFTER, start)
    chart.feel(0)
    chart.measure(start + 5, is_whole=True)
    chart.note("visit")
    chart.now += 30
    chart.close()
    return None


def _visit(life: Life, day: int, week: int) -> None:
    start = day // DAY * DAY + 14 * HOUR + 5 * life.dice.below(70)
    chart = life.open(_FIRST if week == 8 else _VISIT, start)
    chart.feel(0)
    chart.measure(start + 5, is_whole=True)
    if week == 8:
        chart.diagnose(PREGNANCY, since=start - 8 * _WEEK, is_principal=True)
        chart.draw(labs.BLOOD_TYPE)
        chart.draw(labs.COUNT)
    if week in (8, 20):
        chart.image(FETAL_ULTRASOUND, FETUS)
    chart.draw(labs.URINE)
    chart.note("visit")
    chart.now += 30
    chart.close()
