"""Chest pain: half of them go home from the emergency department, half have an infarction and a
stent."""

from lakehouse.datasets.synthetic.clock import DAY, HOUR
from lakehouse.datasets.synthetic.life import Life, Plan, State
from lakehouse.datasets.synthetic.model import Signs
from lakehouse.datasets.synthetic.sites import CARDIOLOGY, EMERGENCY
from lakehouse.datasets.synthetic.words import drugs, labs
from lakehouse.datasets.synthetic.words.codes import (
    ADMISSION,
    AFTERCARE,
    CHEST_PAIN,
    ELECTROCARDIOGRAM,
    EMERGENCY_VISIT,
    FOLLOW_UP,
    INFARCTION,
    STENT,
)
from lakehouse.datasets.synthetic.words.imaging import CHEST_XRAY, CLEAR_CHEST

WEIGHT = 3
AGES = (42, 84)
SEX = ""

_PAIN = Signs(28, 6, -2, 1, 18, 8)
_EMERGENCY = Plan("EMER", EMERGENCY_VISIT, CHEST_PAIN, EMERGENCY, _PAIN)
_STAY = Plan("IMP", ADMISSION, INFARCTION, CARDIOLOGY, _PAIN)
_CLINIC = Plan("AMB", FOLLOW_UP, AFTERCARE, CARDIOLOGY, Signs(0, 0, 0, 0, 0, 0))
# turn by turn, for those with an infarction
_TURNS = ("transfer", "planned", "once", "left", "once", "back", "once", "planned")


def begin(life: Life) -> State | None:
    """Pain begins; what it is shows in the first hours."""
    life.now = life.first_stay()
    return infarction if life.ordinal % 2 == 0 else false_alarm


def _arrive(life: Life, plan: Plan, troponin: int) -> None:
    chart = life.open(plan, life.now)
    chart.feel(45)
    chart.diagnose(CHEST_PAIN, is_over=True, verification="provisional")
    chart.operate(ELECTROCARDIOGRAM, 10, after=8)
    chart.watch(chart.start + 5, chart.start + 2 * HOUR)
    for after in (10, 2 * HOUR):
        chart.draw(
            labs.CARDIAC,
            shifts={"Troponin T": troponin * (after + 60) // 60},
            is_urgent=True,
            after=after,
        )
    chart.draw(labs.METABOLIC, is_urgent=True, after=10)
    chart.draw(labs.COUNT, is_urgent=True, after=10)
    chart.image(CHEST_XRAY, CLEAR_CHEST)
    chart.prescribe(drugs.ASPIRIN, "inpatient", days=1)
    chart.note("admission")
    chart.stay("ed", life.dice.between(4 * HOUR, 7 * HOUR), 10)


def false_alarm(life: Life) -> State | None:
    """It was nothing of the heart's: home after some hours."""
    _arrive(life, _EMERGENCY, 0)
    chart = life.chart
    chart.measure(chart.start + 10, pain=6)
    chart.measure(chart.now - 30, pain=1)
    chart.note("discharge", after=-10)
    chart.close()
    return clinic


def infarction(life: Life) -> State | None:
    """A stent, some days in a ward."""
    _arrive(life, _STAY, 60)
    chart, turn = life.chart, _TURNS[life.ordinal // 2 % len(_TURNS)]
    chart.diagnose(INFARCTION, is_principal=True)
    chart.prescribe(drugs.METOPROLOL, "inpatient")
    chart.prescribe(drugs.CLOPIDOGREL, "inpatient")
    if turn != "left":
        chart.operate(STENT, 70, after=90)
    chart.stay("med", life.dice.between(40 * HOUR, 100 * HOUR), 5)
    chart.draw(labs.CARDIAC, shifts={"Troponin T": 40}, after=-6 * HOUR)
    chart.note("progress", after=-20 * HOUR)
    chart.note("discharge", after=-30)
    for drug in (drugs.ASPIRIN, drugs.CLOPIDOGREL, drugs.METOPROLOL, drugs.ATORVASTATIN):
        chart.prescribe(drug, "discharge", refills=2)
    chart.close({"left": "aadvice", "transfer": "other-hcf"}.get(turn, "home"))
    return {"transfer": transfer, "planned": staged, "back": back}.get(turn, clinic)


def transfer(life: Life) -> State | None:
    """Two hours later the partner's rehabilitation admits: for the lake it is one episode."""
    chart = life.open(_STAY, life.now + 2 * HOUR)
    chart.diagnose(INFARCTION, since=life.now, is_principal=True)
    chart.prescribe(drugs.METOPROLOL, "inpatient")
    chart.stay("rehab", life.dice.between(5 * DAY, 9 * DAY), 0)
    chart.note("discharge", after=-30)
    chart.close()
    return clinic


def staged(life: Life) -> State | None:
    """The second vessel as planned, within the month: no readmission."""
    chart = life.open(_STAY, life.now + life.dice.between(6 * DAY, 25 * DAY))
    chart.is_elective = True
    chart.diagnose(INFARCTION, since=life.now, is_principal=True)
    chart.operate(STENT, 60, after=3 * HOUR)
    chart.stay("med", life.dice.between(20 * HOUR, 40 * HOUR), 0)
    chart.note("discharge", after=-30)
    chart.close()
    return clinic


def back(life: Life) -> State | None:
    """Pain again, within the month."""
    chart = life.open(_STAY, life.now + life.dice.between(4 * DAY, 24 * DAY))
    chart.stay("ed", 4 * HOUR, 20)
    chart.diagnose(INFARCTION, is_principal=True)
    chart.draw(labs.CARDIAC, shifts={"Troponin T": 80}, is_urgent=True)
    chart.stay("med", life.dice.between(24 * HOUR, 60 * HOUR), 0)
    chart.note("discharge", after=-30)
    chart.close()
    return clinic


def clinic(life: Life) -> State | None:
    """A look after a few weeks."""
    chart = life.open(
        _CLINIC, (life.now + life.dice.between(31 * DAY, 45 * DAY)) // DAY * DAY + 15 * HOUR
    )
    chart.feel(0)
    chart.measure(chart.start + 8, is_whole=True)
    chart.draw(labs.LIPID)
    chart.note("visit")
    chart.now += 30
    chart.close()
    return None
