"""What happens to the people of one sample site; FHIR knows nothing of it yet.

Times are whole minutes since BEGIN. The story is told once and to its end; an export only says how
much of it is known by its day.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType

from lakehouse.datasets.sample.dice import Dice

BEGIN = datetime(2026, 2, 16, tzinfo=UTC)
HOUR = 60
DAY = 24 * HOUR
# the first export is taken here; of the story, only the stays of the course "open" go on
END = 272 * DAY
WARDS = MappingProxyType(
    {
        "ed": "Emergency Department",
        "med": "Medicine",
        "surg": "Surgery",
        "icu": "Intensive Care",
        "rehab": "Rehabilitation",
    }
)
# person by person, and again from the first when all have had their turn
COURSES = (
    "once",
    "back",
    "clinic",
    "late",
    "once",
    "chain",
    "clinic",
    "transfer",
    "back",
    "planned",
    "died",
    "once",
    "clinic",
    "left",
    "back",
    "open",
    "late",
    "once",
    "chain",
    "clinic",
)
# two nights in which clocks change in America, that somebody is sure to spend in a ward
AUTUMN_NIGHT = (datetime(2026, 11, 1, tzinfo=UTC) - BEGIN) // timedelta(minutes=1)
SPRING_NIGHT = (datetime(2026, 3, 8, tzinfo=UTC) - BEGIN) // timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Move:
    """Time in one ward."""

    ward: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Visit:
    """One encounter. `moves` is empty for an outpatient."""

    number: int
    kind: str
    start: int
    end: int
    problem: int
    moves: tuple[Move, ...] = ()
    organization: str = "hospital"
    disposition: str = "home"
    is_elective: bool = False

    @property
    def is_inpatient(self) -> bool:
        """True for a stay in a ward."""
        return bool(self.moves)


@dataclass(frozen=True, slots=True)
class Person:
    """One patient with all their visits, in the order of time."""

    number: int
    course: str
    born: date
    is_female: bool
    dice: Dice
    visits: tuple[Visit, ...]
    died: int | None = None

    @property
    def id(self) -> str:
        """The id at the site; the other site has the same ids for other people."""
        return f"p{self.number:04}"


def tell(site: str, patients: int, seed: int) -> Iterator[Person]:
    """The people of a site, always the same for the same three arguments."""
    for number in range(1, patients + 1):
        dice = Dice(f"{seed}/{site}/{number}")
        course = COURSES[(number - 1) % len(COURSES)]
        stays = _stays(course, number, dice)
        visits = sorted([*_clinics(dice), *stays], key=lambda visit: visit.start)
        numbered = tuple(replace(visit, number=place) for place, visit in enumerate(visits, 1))
        died = next((visit.end for visit in numbered if visit.disposition == "exp"), None)
        born = date(1930, 1, 1) + timedelta(days=dice.between(0, 80 * 365, "born"))
        yield Person(number, course, born, dice.chance(52, "female"), dice, numbered, died)


def _clinics(dice: Dice) -> Iterator[Visit]:
    """Visits to the clinic, before any stay in hospital, so that nobody dies before one."""
    for place in range(dice.between(1, 3, "clinics")):
        day = place * 4 + dice.between(0, 3, f"clinic day {place}")
        start = day * DAY + 14 * HOUR + 5 * dice.between(0, 60, f"clinic time {place}")
        yield Visit(0, "clinic", start, start + 30, dice.between(0, 99, f"clinic problem {place}"))


def _stays(course: str, number: int, dice: Dice) -> list[Visit]:
    if course == "clinic":
        return []
    first = _stay(dice.at("stay 1"), _first_start(course, number, dice))
    if course == "open":
        return [_until(first, END + 9 * HOUR)]
    dispositions = {"died": "exp", "left": "aadvice", "transfer": "other-hcf"}
    first = replace(first, disposition=dispositions.get(course, "home"))
    return [first, *_returns(course, first, dice)]


def _first_start(course: str, number: int, dice: Dice) -> int:
    fixed = {1: AUTUMN_NIGHT - 12 * HOUR, 5: SPRING_NIGHT - 12 * HOUR}
    if number in fixed:
        return fixed[number]
    if course == "open":
        return END - dice.between(3 * DAY, 5 * DAY, "start")
    return dice.between(20 * DAY, 170 * DAY, "start")


def _returns(course: str, first: Visit, dice: Dice) -> list[Visit]:
    """The later stays: what matters is how long after the discharge they begin."""
    gone = first.end
    match course:
        case "once" | "died" | "left":
            return []
        case "late":
            return [_stay(dice.at("stay 2"), gone + dice.between(35 * DAY, 60 * DAY, "pause"))]
        case "transfer":
            second = _stay(dice.at("stay 2"), gone + 2 * HOUR)
            moved = (Move("rehab", second.start, second.end),)
            return [replace(second, organization="partner", moves=moved)]
        case "planned":
            second = _stay(dice.at("stay 2"), gone + dice.between(6 * DAY, 25 * DAY, "pause"))
            return [replace(second, is_elective=True)]
    second = _stay(dice.at("stay 2"), gone + dice.between(3 * DAY, 27 * DAY, "pause"))
    if course == "back":
        return [second]
    third = _stay(dice.at("stay 3"), second.end + dice.between(3 * DAY, 27 * DAY, "wait"))
    return [second, third]


def _until(visit: Visit, end: int) -> Visit:
    """The same stay, ending then and in the ward of the first export's day."""
    moves = [move for move in visit.moves if move.start < END]
    return replace(visit, end=end, moves=(*moves[:-1], replace(moves[-1], end=end)))


def _stay(dice: Dice, start: int) -> Visit:
    """Some hours in the emergency department, then a ward, for some with intensive care between."""
    main = dice.pick(("med", "surg"), "ward")
    plan = [("ed", 2, 7), (main, 30, 80)]
    if dice.chance(25, "icu"):
        plan += [("icu", 12, 48), (main, 20, 50)]
    moves, now = [], start
    for place, (ward, low, high) in enumerate(plan):
        end = now + dice.between(low * HOUR, high * HOUR, f"time {place}")
        moves.append(Move(ward, now, end))
        now = end
    return Visit(0, "stay", start, now, dice.between(0, 99, "problem"), tuple(moves))
