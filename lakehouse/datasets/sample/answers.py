"""What a lake must say of the sample, reckoned from the story and never from the files."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from lakehouse.datasets.sample import edits
from lakehouse.datasets.sample.measurements import rounds
from lakehouse.datasets.sample.story import DAY, END, Person, Visit, tell

# course: episodes, those that are an index of the 30-day rate, those followed by a readmission
_COURSES: Mapping[str, tuple[int, int, int]] = MappingProxyType(
    {
        "clinic": (0, 0, 0),
        "once": (1, 1, 0),
        "back": (2, 2, 1),
        "late": (2, 2, 0),
        "planned": (2, 2, 0),
        "chain": (3, 3, 2),
        "transfer": (1, 1, 0),
        "died": (1, 0, 0),
        "left": (1, 0, 0),
        "open": (1, 0, 0),
    }
)


@dataclass(frozen=True, slots=True)
class Answers:
    """What is true of one site after the exports up to one are in the lake.

    `ward_minutes` (minutes that inpatients spent, by ward) leaves out stays that are still open.
    """

    patients: int
    encounters: int
    episodes: int
    indexes: int
    readmissions: int
    heart_rates: int
    ward_minutes: Mapping[str, int]
    waiting: int
    broken_lines: int


def answers(site: str, patients: int, seed: int, export: int) -> Answers:
    """The right answers once exports 1 to `export` of `write_sample` are in the lake."""
    people = list(tell(site, patients, seed))
    until = END + (export - 1) * DAY
    visits = [visit for person in people for visit in _known(person, export)]
    episodes, indexes, readmissions = (
        sum(numbers) for numbers in zip(*(_episodes(p, export) for p in people), strict=True)
    )
    measured = sum(1 for visit in visits for _ in rounds(visit, until))
    minutes: Counter[str] = Counter()
    for visit in visits:
        for move in visit.moves if visit.end + 15 <= until else ():
            minutes[move.ward] += move.end - move.start
    return Answers(
        patients=len(people),
        encounters=len(visits),
        episodes=episodes,
        indexes=indexes,
        readmissions=readmissions,
        heart_rates=measured + (export >= edits.LAST),
        ward_minutes=MappingProxyType(dict(minutes)),
        waiting=int(1 < export < edits.LAST),
        broken_lines=int(export > 1),
    )


def _known(person: Person, export: int) -> Iterator[Visit]:
    visits = person.visits
    yield from visits[:-1] if _is_erased(person, export) else visits


def _episodes(person: Person, export: int) -> tuple[int, int, int]:
    """By the course alone, and what the second export does to it."""
    if _is_erased(person, export):
        return _COURSES["once"]
    episodes, indexes, readmissions = _COURSES[person.course]
    if export > 1 and person.course == "open":
        indexes += 1
    if export > 1 and person.number == edits.URGENT:
        readmissions += 1
    return episodes, indexes, readmissions


def _is_erased(person: Person, export: int) -> bool:
    return export > 1 and person.number == edits.ERASED
