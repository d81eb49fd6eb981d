"""FHIR primitives as FHIRPath values: what conforms, and what a date means.

A leaf conforms to its declared type when it is the JSON type that R4 §2.6.2.2 prescribes (a number
for integer and decimal, true or false for boolean, a string for the rest) and, for the types that
have to be converted to be compared, when its text is of the form in R4 §2.24.0.1 (numbers, dates,
times; a date must exist in the calendar). Of the other types any string conforms. A leaf that does
not conform counts as absent.
"""

import re
from calendar import monthrange
from dataclasses import dataclass, replace
from datetime import date
from decimal import Context, Decimal
from typing import Any

_DATE = r"\d{4}(?:-\d\d(?:-\d\d)?)?"
_TIME = r"\d\d:\d\d:\d\d(?:\.\d+)?"
_INSTANT = rf"\d{{4}}-\d\d-\d\dT{_TIME}(?:Z|[+-]\d\d:\d\d)"
FORMS = {
    "date": re.compile(_DATE),
    "dateTime": re.compile(rf"{_DATE}|{_INSTANT}"),
    "instant": re.compile(_INSTANT),
    "time": re.compile(_TIME),
}
_LITERAL = re.compile(r"([\d-]*)(T?)([\d:.]*)(Z|[+-]\d\d:\d\d)?")
_WIDE = Context(prec=1000)
INTEGERS = {
    "integer": (-(2**31), 2**31 - 1),
    "unsignedInt": (0, 2**31 - 1),
    "positiveInt": (1, 2**31 - 1),
}
TEXTS = frozenset(
    ["string", "uri", "url", "canonical", "code", "oid", "id", "uuid", "markdown"]
    + ["base64Binary", "xhtml"]
)
PRIMITIVES = frozenset([*TEXTS, *FORMS, *INTEGERS, "boolean", "decimal"])


@dataclass(frozen=True)
class Temporal:
    """A date, dateTime or time to the precision it is written in.

    `parts` are year, month, day, hour, minute, second (a time begins at hour); seconds with their
    fraction are one part (FHIRPath §Date/Time Equality). `offset` is minutes east of UTC.
    """

    kind: str
    parts: tuple[Decimal, ...]
    offset: int | None
    text: str

    def __str__(self) -> str:
        return self.text


def read(kind: str, json: Any) -> Any:
    """The value of a leaf of that type, or None where it does not conform."""
    if kind == "boolean":
        return json if isinstance(json, bool) else None
    if isinstance(json, bool) or json is None:
        return None
    if kind == "decimal":
        return _decimal(json)
    if kind in INTEGERS:
        low, high = INTEGERS[kind]
        return json if isinstance(json, int) and low <= json <= high else None
    if not isinstance(json, str):
        return None
    return temporal(kind, json) if kind in FORMS else json


def _decimal(json: Any) -> Decimal | None:
    if isinstance(json, float):
        return Decimal(repr(json))
    return Decimal(json) if isinstance(json, int | Decimal) else None


def temporal(kind: str, text: str) -> Temporal | None:
    """A date or time from text in the form of that FHIR type, or None."""
    if not text.isascii() or not FORMS[kind].fullmatch(text):
        return None
    return literal(f"T{text}" if kind == "time" else text, "date" if kind == "date" else "dateTime")


def literal(text: str, dated: str = "dateTime") -> Temporal | None:
    """A FHIRPath literal without its @ (§Literals), of any precision; None if there is no such day.

    `dated` is what text without a time of day is: a date or a dateTime.
    """
    found = _LITERAL.fullmatch(text)
    day, has_time, clock, zone = found.groups() if found else ("", "", "", None)
    kind = "time" if not day else "dateTime" if has_time else dated
    numbers = [n for n in [*day.split("-"), *clock.split(":")] if n]
    made = Temporal(kind, tuple(Decimal(n) for n in numbers), _offset(zone), text.lstrip("T"))
    return made if _exists(made) else None


def _offset(zone: str | None) -> int | None:
    if zone is None:
        return None
    if zone == "Z":
        return 0
    minutes = int(zone[1:3]) * 60 + int(zone[4:])
    return -minutes if zone[0] == "-" else minutes


def _exists(value: Temporal) -> bool:
    """In the calendar and on the clock; 60 is a second in R4 (§2.24.0.1, leap seconds)."""
    clock = value.parts if value.kind == "time" else value.parts[3:]
    limits = zip(clock, (24, 60, 61), strict=False)
    if abs(value.offset or 0) > 14 * 60 or any(part >= limit for part, limit in limits):
        return False
    if value.kind == "time":
        return True
    year, month, day = (int(part) for part in (*value.parts[:3], 1, 1)[:3])
    return year >= 1 and 1 <= month <= 12 and 1 <= day <= monthrange(year, month)[1]


def order(left: Temporal, right: Temporal) -> int | None:
    """-1, 0 or 1; None where the one is more precise than the other (FHIRPath §Comparison).

    Where both say an offset they are compared as instants, where none does as written. Where one
    does, "both values are converted to a common timezone offset" (§Date/Time Equality) is not to
    be had: the answer is the one that every offset on earth gives, or none.
    """
    if (left.offset is None) != (right.offset is None) and left.kind != "time":
        return _apart(left, right)
    ours, theirs = left.parts, right.parts
    if left.offset is not None and right.offset is not None:
        ours, theirs = _in_utc(left), _in_utc(right)
    for one, other in zip(ours, theirs, strict=False):
        if one != other:
            return -1 if one < other else 1
    return 0 if len(ours) == len(theirs) else None


def _apart(left: Temporal, right: Temporal) -> int | None:
    """-1 or 1 where the one ends before the other begins, wherever on earth they were."""
    (begins, ends), (other_begins, other_ends) = _span(left), _span(right)
    return -1 if ends < other_begins else 1 if begins > other_ends else None


def _span(value: Temporal) -> tuple[Decimal, Decimal]:
    """The first and the last second (counted in UTC) that a date or dateTime may mean."""
    found = []
    for high, west in ((False, 14 * 60), (True, -12 * 60)):
        place = _temporal_boundary(replace(value, kind="dateTime"), high=high)
        numbers = [int(part) for part in place.parts[:5]]
        minutes = date(*numbers[:3]).toordinal() * 1440 + numbers[3] * 60 + numbers[4]
        offset = west if value.offset is None else value.offset
        found.append((minutes - offset) * 60 + min(place.parts[5], Decimal("59.999")))
    return found[0], found[1]


def _in_utc(value: Temporal) -> tuple[Decimal, ...]:
    if len(value.parts) < 5:
        return value.parts
    year, month, day, hour, minute = (int(part) for part in value.parts[:5])
    minutes = date(year, month, day).toordinal() * 1440 + hour * 60 + minute - (value.offset or 0)
    return (Decimal(minutes), *value.parts[5:])


def boundary(value: Any, *, high: bool) -> Any:
    """lowBoundary() or highBoundary() at the greatest precision of the type, or None.

    FHIRPath §lowBoundary: a decimal is half a unit of its last digit away (1e3 is 1000, a digit
    before the point at most), the result is not rounded; a date is to the day, a dateTime and a time to the millisecond. A dateTime without an
    offset takes the earliest (+14:00) or latest (-12:00) place on earth (FHIR fhirpath page).
    """
    if isinstance(value, bool) or not isinstance(value, int | Decimal | Temporal):
        return None
    if isinstance(value, Temporal):
        return _temporal_boundary(value, high=high)
    number = Decimal(value)
    scale = max(0, -int(number.as_tuple().exponent))
    half = Decimal(5).scaleb(-scale - 1)
    return _WIDE.add(number, half if high else -half)


def _temporal_boundary(value: Temporal, *, high: bool) -> Temporal:
    if value.kind == "time":
        return temporal("time", _clock(value.parts, high=high)) or value
    year, month, day = (value.parts[i] if i < len(value.parts) else None for i in range(3))
    month = month or Decimal(12 if high else 1)
    day = day or Decimal(monthrange(int(year or 1), int(month))[1] if high else 1)
    on = f"{int(year or 1):04}-{int(month):02}-{int(day):02}"
    if value.kind == "date":
        return temporal("date", on) or value
    zone = re.search(r"(Z|[+-]\d\d:\d\d)$", value.text) if len(value.parts) > 3 else None
    place = zone.group() if zone else "-12:00" if high else "+14:00"
    return temporal("dateTime", f"{on}T{_clock(value.parts[3:], high=high)}{place}") or value


def _clock(parts: tuple[Decimal, ...], *, high: bool) -> str:
    fill = (23, 59) if high else (0, 0)
    hour, minute = (int(parts[i]) if i < len(parts) else fill[i] for i in range(2))
    second, _, fraction = f"{parts[2]:f}".partition(".") if len(parts) > 2 else ("", "", "")
    second = second or ("59" if high else "00")
    return f"{hour:02}:{minute:02}:{int(second):02}.{fraction.ljust(3, '9' if high else '0')}"
