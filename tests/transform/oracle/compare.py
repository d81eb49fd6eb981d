"""By which rules the judge and a view runner agree.

Views. What the judge holds invalid (ViewError) the runner refuses with SpecError. Where a path has
no result on a resource (EvaluationError: several values in a column that is no collection), the
runner raises a LakehouseError of any class, and gives no rows.

Rows. The names of the columns are those of the view, in its order. The rows are a multiset: order
does not count, number does. In a row
- null is null; in a column with `collection` nothing is null or an empty list, and the order of
  what is in a list counts;
- a boolean is a boolean and no number;
- numbers of the FHIR types integer, positiveInt, unsignedInt and decimal agree by value, 1.50 is
  1.5, whatever type carries them; text is read as a number, a double as its shortest text. What is
  copied from a resource agrees exactly, but a double has to agree in 15 digits only;
- a number that a column computes (+ - * / or a boundary) agrees within 10^-8, the step that
  FHIRPath §Decimal promises, or in 15 digits; beyond its range (10^20; integers: 32 bits) anything
  goes, null too;
- everything else is text and agrees character by character: strings without any normalisation;
  dates and times as they are written in the resource, of their own precision and offset, those of
  a boundary to the day or the millisecond with `+14:00` and `-12:00` where no offset was given.

Wrong JSON. A leaf that does not conform to its declared type counts as absent, and so does an
element of another shape: an array where one value belongs, one value where an array belongs, a
scalar where an object belongs. values.py says what conforms. So `exists()` is false on it, an index
does not count it, and `forEach` makes no row of it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tests.transform.oracle.fhirpath import EvaluationError
from tests.transform.oracle.values import Temporal
from tests.transform.oracle.viewdefinition import Column, Row, View, ViewError

STEP = Decimal("1e-8")
DIGITS = Decimal("1e-15")
NUMBERS = {"decimal": 10**20, "integer": 2**31, "positiveInt": 2**31, "unsignedInt": 2**31}
SHOWN = 3


@dataclass(frozen=True)
class Verdict:
    """What has to come out: rows, or the error that stands in their place."""

    columns: list[Column]
    rows: list[Row]
    error: ViewError | EvaluationError | None = None


def judge(view: Mapping[str, Any], resources: Iterable[Mapping[str, Any]]) -> Verdict:
    """What the specification says a view gives on these resources."""
    try:
        made = View(view)
        return Verdict(made.columns, made.rows(resources))
    except (ViewError, EvaluationError) as error:
        return Verdict([], [], error)


def differences(verdict: Verdict, names: list[str], rows: list[Row]) -> list[str]:
    """Where these columns and rows are not those of the verdict; nothing where they agree."""
    expected = [column.name for column in verdict.columns]
    if names != expected:
        return [f"columns {names}, wanted {expected}"]
    wanted = [tuple(_plain(c, row[c.name]) for c in verdict.columns) for row in verdict.rows]
    given = [tuple(_plain(c, row[c.name]) for c in verdict.columns) for row in rows]
    missing, added = _left(wanted, given), _left(given, wanted)
    for row in list(missing):
        match = next((other for other in added if _rows_agree(verdict.columns, row, other)), None)
        if match is not None:
            missing.remove(row)
            added.remove(match)
    told = [f"missing {dict(zip(names, row, strict=True))}" for row in missing[:SHOWN]]
    told += [f"not wanted {dict(zip(names, row, strict=True))}" for row in added[:SHOWN]]
    rest = len(missing) + len(added) - len(told)
    return told + [f"and {rest} more"] * (rest > 0)


def _left(rows: list[tuple[Any, ...]], others: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return list((Counter(rows) - Counter(others)).elements())


@dataclass(frozen=True)
class Double:
    """A number that a double carried."""

    value: Decimal


@dataclass(frozen=True)
class Truth:
    """A boolean, which Python would take for a number."""

    value: bool


def _plain(column: Column, value: Any) -> Any:
    """A value as it is compared; hashable."""
    if column.is_collection:
        return tuple(_leaf(column, one) for one in value or [])
    return _leaf(column, value)


def _leaf(column: Column, value: Any) -> Any:
    if isinstance(value, bool):
        return Truth(value)
    if value is None or isinstance(value, list | dict):
        return value if value is None else repr(value)
    if column.kind not in NUMBERS:
        return value.text if isinstance(value, Temporal) else str(value)
    if isinstance(value, float):
        return Double(Decimal(repr(value)))
    try:
        return Decimal(value)
    except ArithmeticError:
        return repr(value)


def _rows_agree(columns: list[Column], wanted: tuple[Any, ...], given: tuple[Any, ...]) -> bool:
    pairs = zip(columns, wanted, given, strict=True)
    return all(_agree(column, one, other) for column, one, other in pairs)


def _agree(column: Column, wanted: Any, given: Any) -> bool:
    if isinstance(wanted, tuple) and isinstance(given, tuple):
        same = len(wanted) == len(given)
        return same and all(_agree(column, *pair) for pair in zip(wanted, given, strict=True))
    if wanted == given:
        return True
    if not isinstance(wanted, Decimal):
        return False
    computed = _is_computed(column)
    if computed and abs(wanted) >= NUMBERS[column.kind or "decimal"]:
        return given is None or isinstance(given, Decimal | Double)
    is_double = isinstance(given, Double)
    number = given.value if isinstance(given, Double) else given
    if not isinstance(number, Decimal) or not (computed or is_double):
        return False
    allowed = abs(wanted) * DIGITS
    return abs(wanted - number) <= (max(allowed, STEP) if computed else allowed)


def _is_computed(column: Column) -> bool:
    signs = (" + ", " - ", " * ", " / ", "Boundary()")
    return any(sign in column.path for sign in signs)
