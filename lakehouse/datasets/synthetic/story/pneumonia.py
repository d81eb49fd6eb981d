"""Pneumonia: most get better in a ward; some get worse, need intensive care, and a few of them
die."""

from lakehouse.datasets.synthetic.clock import DAY, HOUR
from lakehouse.datasets.synthetic.life import WELL, Life, Plan, State
from lakehouse.datasets.synthetic.model import Signs
from lakehouse.datasets.synthetic.sites import FAMILY, INTERNAL
from lakehouse.datasets.synthetic.words import drugs, labs
from lakehouse.datasets.synthetic.words.codes import (
    ADMISSION,
    AFTERCARE,
    FOLLOW_UP,
    LINE,
    PNEUMONIA,
    SEPSIS,
    SHOCK,
    VENTILATION,
)
from lakehouse.datasets.synthetic.words.imaging import (
    CHEST_CT,
    CHEST_XRAY,
    CLEAR_CHEST,
    CONSOLIDATION,
    EFFUSION,
)

WEIGHT = 4
AGES = (35, 90)
SEX = ""

_ILLNESS = Signs(62, 18, -14, 24, -46, -26)
_STAY = Plan("IMP", ADMISSION, PNEUMONIA, INTERNAL, _ILLNESS)
_CLINIC = Plan("AMB", FOLLOW_UP, AFTERCARE, FAMILY, WELL)
_SLOW = {"C-reactive protein": 900, "Leukocytes": 60, "Procalcitonin": 60, "Lactate": 4}
_GRAVE = {
    "C-reactive protein": 2100,
    "Leukocytes": 130,
    "Procalcitonin": 900,
    "Lactate": 32,
    "Creatinine": 90,
    "Urea nitrogen": 22,
    "Platelets": -120,
    "Bicarbonate": -7,
    "Blood culture": 55,
    "pH": -12,
    "pO2": -28,
    "pCO2": -6,
}
# turn by turn: of ten, four get worse and one of them dies, one comes back
_TURNS = (
    "worse",
    "better",
    "better",
    "worse",
    "better",
    "back",
    "worse",
    "better",
    "died",
    "better",
)


def begin(life: Life) -> State | None:
    """Fever and cough for some days, then the emergency department."""
    life.now = life.first_stay()
    chart = life.open(_STAY, life.now)
    chart.feel(35)
    chart.diagnose(PNEUMONIA, since=chart.start - 3 * DAY, is_principal=True, is_over=True)
    chart.draw(labs.COUNT, shifts=_SLOW, is_urgent=True, after=10)
    chart.draw(labs.METABOLIC, shifts=_SLOW, is_urgent=True, after=10)
    chart.draw(labs.INFLAMMATION, shifts=_SLOW, is_urgent=True, after=10)
    chart.draw(labs.BLOOD_CULTURE, shifts={"Blood culture": 12}, is_urgent=True, after=15)
    chart.image(CHEST_XRAY, CONSOLIDATION)
    chart.prescribe(drugs.CEFTRIAXONE, "inpatient", days=4)
    chart.prescribe(drugs.AZITHROMYCIN, "inpatient", days=3)
    chart.prescribe(drugs.ACETAMINOPHEN, "inpatient", days=2)
    chart.note("admission", after=80)
    chart.stay("ed", life.dice.between(3 * HOUR, 8 * HOUR), 38)
    return ward


def ward(life: Life) -> State | None:
    """The first days in medicine decide."""
    turn = _TURNS[life.ordinal % len(_TURNS)]
    chart = life.chart
    chart.note("progress", after=18 * HOUR)
    if turn in ("worse", "died"):
        chart.stay("med", life.dice.between(14 * HOUR, 40 * HOUR), 74, within=5 * HOUR)
        return intensive
    chart.stay("med", life.dice.between(50 * HOUR, 130 * HOUR), 6)
    chart.draw(labs.COUNT, after=-8 * HOUR)
    chart.draw(labs.INFLAMMATION, shifts={"C-reactive protein": 150}, after=-8 * HOUR)
    return home


def intensive(life: Life) -> State | None:
    """Sepsis: the monitor shows the fall of the last hours in the ward and the first in
    intensive care."""
    chart = life.chart
    chart.deteriorated = chart.now - 2 * HOUR
    chart.watch(chart.now - 6 * HOUR, chart.now + 12 * HOUR)
    chart.feel(78)
    chart.diagnose(SEPSIS)
    chart.draw(labs.COUNT, shifts=_GRAVE, is_urgent=True)
    chart.draw(labs.METABOLIC, shifts=_GRAVE, is_urgent=True)
    chart.draw(labs.INFLAMMATION, shifts=_GRAVE, is_urgent=True)
    chart.draw(labs.GASES, shifts=_GRAVE, is_urgent=True)
    chart.draw(labs.BLOOD_CULTURE, shifts=_GRAVE, is_urgent=True)
    chart.image(CHEST_CT, EFFUSION, after=70)
    chart.prescribe(drugs.PIPERACILLIN, "inpatient", days=5)
    chart.operate(LINE, 35, after=HOUR)
    chart.note("progress", after=3 * HOUR)
    return death if _TURNS[life.ordinal % len(_TURNS)] == "died" else recovery


def death(life: Life) -> State | None:
    """Shock, a ventilator, and the end."""
    chart = life.chart
    chart.diagnose(SHOCK)
    chart.operate(VENTILATION, 26 * HOUR, after=2 * HOUR)
    chart.stay("icu", life.dice.between(30 * HOUR, 60 * HOUR), 97)
    chart.note("discharge", after=-15)
    chart.close("exp")
    return None


def recovery(life: Life) -> State | None:
    """Days in intensive care, then back to the ward."""
    chart, dice = life.chart, life.dice
    chart.stay("icu", dice.between(24 * HOUR, 72 * HOUR), 30)
    chart.draw(labs.GASES, after=-4 * HOUR)
    chart.stay("med", dice.between(48 * HOUR, 120 * HOUR), 6)
    chart.draw(labs.COUNT, after=-10 * HOUR)
    chart.draw(labs.METABOLIC, after=-10 * HOUR)
    return home


def home(life: Life) -> State | None:
    """Home with tablets; the old and frail to a nursing facility."""
    chart = life.chart
    is_frail = chart.deteriorated is not None and life.age > 74
    chart.note("discharge", after=-40)
    chart.prescribe(drugs.AMOXICILLIN, "discharge", days=5)
    chart.close("snf" if is_frail else "home")
    return back if _TURNS[life.ordinal % len(_TURNS)] == "back" else clinic


def back(life: Life) -> State | None:
    """It was not over: a second stay within the month."""
    chart = life.open(_STAY, life.now + life.dice.between(3 * DAY, 20 * DAY))
    chart.feel(30)
    chart.diagnose(PNEUMONIA, is_principal=True, is_over=True)
    chart.draw(labs.COUNT, shifts=_SLOW, is_urgent=True)
    chart.draw(labs.INFLAMMATION, shifts=_SLOW, is_urgent=True)
    chart.image(CHEST_XRAY, CONSOLIDATION)
    chart.prescribe(drugs.PIPERACILLIN, "inpatient", days=3)
    chart.stay("ed", 4 * HOUR, 30)
    chart.stay("med", life.dice.between(40 * HOUR, 90 * HOUR), 4)
    chart.note("discharge", after=-40)
    chart.close()
    return clinic


def clinic(life: Life) -> State | None:
    """Six weeks later the film is clear."""
    start = (life.now + life.dice.between(38 * DAY, 50 * DAY)) // DAY * DAY + 16 * HOUR
    chart = life.open(_CLINIC, start)
    chart.feel(0)
    chart.measure(start + 6, is_whole=True)
    chart.image(CHEST_XRAY, CLEAR_CHEST)
    chart.note("visit")
    chart.now += 40
    chart.close()
    return None
