"""Chronic obstructive lung disease: a stay for an exacerbation, and often another soon after."""

from lakehouse.datasets.synthetic.clock import DAY, END, HOUR
from lakehouse.datasets.synthetic.life import WELL, Life, Plan, State
from lakehouse.datasets.synthetic.model import Signs
from lakehouse.datasets.synthetic.sites import FAMILY, INTERNAL
from lakehouse.datasets.synthetic.words import drugs, labs
from lakehouse.datasets.synthetic.words.codes import ADMISSION, COPD, FOLLOW_UP, SPIROMETRY
from lakehouse.datasets.synthetic.words.imaging import CHEST_XRAY, HYPERINFLATION

WEIGHT = 3
AGES = (52, 88)
SEX = ""

_STAY = Plan("IMP", ADMISSION, COPD, INTERNAL, Signs(34, 14, -11, 6, 8, 4))
_CLINIC = Plan("AMB", FOLLOW_UP, COPD, FAMILY, WELL)
_BLOOD = {"Leukocytes": 25, "C-reactive protein": 180, "Bicarbonate": 3}
_GASES = {"pH": -5, "pCO2": 14, "pO2": -24}
# turn by turn: stays begin again so many times within 30 days, or later, or one is still open at
# the first export
_TURNS = (
    "back",
    "open",
    "once",
    "chain",
    "late",
    "once",
    "left",
    "open",
    "back",
    "once",
    "late",
    "once",
)
_OPEN_UNTIL = END + 9 * HOUR


def begin(life: Life) -> State | None:
    """A chronic illness has its visit first, then winter comes."""
    if life.smoking == "never":
        life.smoking = "former"
    _visit(life, life.now + life.dice.between(20, 40) * DAY)
    life.now = life.dice.between(90 * DAY, END - 200 * DAY) + 5 * life.dice.below(288)
    if _turn(life) == "open":
        return last_days
    return exacerbation


def exacerbation(life: Life) -> State | None:
    """The first stay."""
    _admit(life)
    life.chart.stay("med", life.dice.between(44 * HOUR, 130 * HOUR), 8)
    return discharge


def last_days(life: Life) -> State | None:
    """A stay that is not over when the first export is taken."""
    life.now = END - life.dice.between(3 * DAY, 5 * DAY)
    _admit(life)
    chart = life.chart
    chart.stay("med", _OPEN_UNTIL - chart.now, 8)
    return discharge


def discharge(life: Life) -> State | None:
    """Home, with inhalers, sometimes against advice."""
    chart, turn = life.chart, _turn(life)
    chart.note("discharge", after=-50)
    chart.prescribe(drugs.PREDNISONE, "discharge", days=5)
    chart.prescribe(drugs.ALBUTEROL, "discharge", refills=5)
    chart.prescribe(drugs.FLUTICASONE, "discharge", refills=5)
    stays = sum(found.is_inpatient for found in life.encounters) + 1
    chart.close("aadvice" if turn == "left" else "home")
    wanted = {"back": 2, "late": 2, "chain": 3}.get(turn, 1)
    return again if stays < wanted else clinic


def again(life: Life) -> State | None:
    """The next stay: what matters is how long after the discharge it begins."""
    is_late = _turn(life) == "late"
    low, high = (35 * DAY, 60 * DAY) if is_late else (3 * DAY, 27 * DAY)
    life.now += life.dice.between(low, high)
    return exacerbation


def clinic(life: Life) -> State | None:
    """A visit a month later, if there is still time to tell of it."""
    if life.now < END - 60 * DAY:
        _visit(life, life.now + life.dice.between(31, 50) * DAY)
    return None


def _turn(life: Life) -> str:
    return _TURNS[life.ordinal % len(_TURNS)]


def _admit(life: Life) -> None:
    chart = life.open(_STAY, life.now)
    chart.feel(55)
    chart.diagnose(COPD, since=chart.start - 2 * DAY, is_principal=True)
    chart.draw(labs.COUNT, shifts=_BLOOD, is_urgent=True, after=12)
    chart.draw(labs.METABOLIC, shifts=_BLOOD, is_urgent=True, after=12)
    chart.draw(labs.GASES, shifts=_GASES, is_urgent=True, after=12)
    chart.image(CHEST_XRAY, HYPERINFLATION)
    chart.prescribe(drugs.PREDNISONE, "inpatient")
    chart.prescribe(drugs.ALBUTEROL, "inpatient")
    chart.note("admission", after=70)
    chart.stay("ed", life.dice.between(3 * HOUR, 6 * HOUR), 48)
    chart.note("progress", after=20 * HOUR)


def _visit(life: Life, day: int) -> None:
    start = day // DAY * DAY + 15 * HOUR + 5 * life.dice.below(60)
    chart = life.open(_CLINIC, start)
    chart.feel(0)
    chart.diagnose(COPD, since=start - life.dice.between(700, 720) * DAY)
    chart.measure(start + 5, is_whole=True)
    chart.operate(SPIROMETRY, 20, after=10)
    chart.prescribe(drugs.FLUTICASONE, "outpatient", refills=5)
    chart.note("visit")
    chart.now += 40
    chart.close()
