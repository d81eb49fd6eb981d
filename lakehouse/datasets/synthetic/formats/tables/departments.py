"""What departments keep in tables of their own: a row, and the columns it has."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from lakehouse.datasets.synthetic.model import Encounter
from lakehouse.datasets.synthetic.words import drugs
from lakehouse.datasets.synthetic.words.drugs import Drug
from lakehouse.datasets.synthetic.words.surveys import PHQ9

DRUGS = tuple(
    sorted(
        {drug.code.code: drug for drug in vars(drugs).values() if isinstance(drug, Drug)}.items()
    )
)
"""Every drug by its RxNorm code; the pharmacy's articles are numbered in this order."""

_PLACES = {code: place for place, (code, _) in enumerate(DRUGS)}


class Day(NamedTuple):
    """A cell with the date of a minute."""

    minute: int


class Tenths(NamedTuple):
    """A cell with a number of 1/10."""

    value: int


Cell = str | Day | Tenths


class Line(NamedTuple):
    """A row: the id of the record in the story, when it was written, and the cells after the
    patient's."""

    id: str
    at: int
    cells: tuple[Cell, ...]


class Department(NamedTuple):
    """A department; both lists of names begin with row, number and name of the patient."""

    name: str
    columns: tuple[str, ...]
    renamed: tuple[str, ...]
    """What the same columns are called after somebody changed the program."""
    lines: Callable[[Encounter, int], Iterator[Line]]
    """The rows of an encounter at a site, which has this number."""


def article(site: int, drug: Drug) -> str:
    """The pharmacy's own number of a drug: another one at each site."""
    return f"{(site + 1) * 1000 + _PLACES[drug.code.code]:06}"


def _dispensed(told: Encounter, site: int) -> Iterator[Line]:
    for one in told.medications:
        stopped = Day(one.stopped) if one.stopped else ""
        given = str(len(one.doses)) if one.setting == "inpatient" else ""
        cells = (article(site, one.drug), Tenths(one.drug.dose * 10), one.drug.unit, given)
        yield Line(one.id, one.ordered, (*cells, Day(one.ordered), stopped))


def _weighed(told: Encounter, _: int) -> Iterator[Line]:
    for one in told.rounds:
        if one.weight is not None:
            height = "" if one.height is None else str(one.height)
            yield Line(one.id, one.minute, (Day(one.minute), Tenths(one.weight), height))


def _vaccinated(told: Encounter, _: int) -> Iterator[Line]:
    for one in told.immunizations:
        what = one.vaccine
        given = "yes" if one.is_given else "refused"
        cells = (what.code, what.display, one.lot if one.is_given else "", given)
        yield Line(one.id, one.minute, (Day(one.minute), *cells))


def _answered(told: Encounter, _: int) -> Iterator[Line]:
    for one in told.surveys:
        if one.questionnaire is PHQ9:
            answers = tuple("" if answer is None else str(answer) for answer in one.answers)
            yield Line(one.id, one.minute, (Day(one.minute), *answers))


_QUESTIONS = range(1, len(PHQ9.questions) + 1)
DEPARTMENTS = (
    Department(
        "pharmacy",
        ("order_no", "mrn", "patient", "article", "dose", "unit", "given", "ordered", "stopped"),
        ("ORDER", "PAT-NO", "NAME", "ART", "QTY", "UOM", "N", "FROM", "TO"),
        _dispensed,
    ),
    Department(
        "dietetics",
        ("entry", "mrn", "patient", "day", "weight_kg", "height_cm"),
        ("No.", "Hospital number", "Patient name", "Date", "Wt", "Ht"),
        _weighed,
    ),
    Department(
        "vaccination",
        ("entry", "mrn", "patient", "day", "cvx", "vaccine", "lot", "given"),
        ("ID", "MRN#", "Pat", "Dt", "Code", "Text", "Batch", "Done?"),
        _vaccinated,
    ),
    Department(
        "portal",
        ("form", "mrn", "patient", "day", *(f"phq9_{number}" for number in _QUESTIONS)),
        ("response", "login", "who", "sent", *(f"Q{number}" for number in _QUESTIONS)),
        _answered,
    ),
)
"""Patients themselves fill in what the portal has: PHQ-9, an answer a column."""
