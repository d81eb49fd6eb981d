"""FHIR resources as senders write them, and as they should not.

A resource is drawn along the element table, mostly the elements that a view asks for (`Wanted`), so
that what the view says matters; then some of its places are spoilt. Numbers are Decimal, which keeps
1.50 and 1e3 as they stand in JSON text; `spell` writes that text.
"""

import copy
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar

from tests.transform.oracle import elements, values

# (type, element) -> of a choice the types that are asked for
Wanted = dict[tuple[str, str], set[str]]
Json = dict[str, Any]
T = TypeVar("T")
# chance: a number from 0 to below that many
Below = Callable[[int], int]

URLS = ["http://example.org/a", "http://example.org/b", "ombCategory"]
DATES = ["2012-05-15", "2012", "2012-05", "2012-05-16", "1970-06", "2000-02-29"]
INSTANTS = [
    "2012-05-15T10:30:00Z", "2012-05-15T12:30:00.0+02:00", "2012-05-15T12:30:00.5+02:00",
    "2012-05-15T06:30:31-04:00", "2012-05-25T23:30:00-05:00", "2012-05-26T04:30:00.000Z",
    "2016-06-20T15:59:60Z", "2015-02-07T13:28:17.239+02:00",
]  # fmt: skip
TEXTS = [
    "a", "Smith", "b", "O'Brien", "", "名字", "Zo\u00eb", "Zoe\u0308", "🧪 x", 'a"b\\c', "two\nlines",
    " padded ", "null", "true", "1.50", "[1]", "{}", "\u202eabc", "%_", "ﬃ",
]  # fmt: skip
POOLS: dict[str, list[Any]] = {
    "boolean": [True, False],
    "integer": [1, 0, -7, 42, 2147483647],
    "unsignedInt": [1, 0, 9],
    "positiveInt": [1, 2, 10],
    "decimal": [
        Decimal(n) for n in ["1", "0", "1.50", "1.5", "1e3", "98.60", "-7.25", "0.10", "100", "1E-7",
                             "3.14159265358979323846", "12345678901234567890.5", "-0.0"]
    ],
    "date": DATES,
    "dateTime": DATES[:4] * 2 + DATES + INSTANTS,
    "instant": INSTANTS,
    "time": ["12:34:00", "12:34:00.5", "00:00:00", "23:59:59.999", "12:34:00.000"],
    "code": ["a", "official", "usual", "final", "home", "unknown"],
    "id": ["a", "p1", "p2", "A-64.b"],
    "uri": ["http://loinc.org", "http://snomed.info/sct", "urn:oid:2.16.840"],
}  # fmt: skip
BY_ELEMENT = {
    ("Extension", "url"): URLS,
    ("Reference", "reference"): ["Patient/p1", "Patient/p2", "Encounter/p1", "Patient/", "#p1", "p1",
                                 "urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7", ""],
}  # fmt: skip
# What does not conform to the type it is put in place of (or does: then nothing is spoilt).
WRONG: list[Any] = [
    None, [], {}, "a", 5, True, "true", "5", Decimal("1.0"), Decimal("1e0"), 2147483648, -1, [None],
    [[]], [{}], [5], ["a"], "2012-13", "2012-02-30", "2012-05-15T10:30", "2012-05-15T10:30:00",
    "12:60:00", "15.05.2012", " 2012-05-15", {"value": "a"}, {"unknown": 1},
]  # fmt: skip
HOW = ["retype", "replace", "retype", "unwrap", "wrap", "insert", "remove", "add", "deep"]
FITS: dict[str, Any] = {"retype": str | int | Decimal, "unwrap": list, "insert": list, "add": dict}
DEEPEST = 6


def pool(kind: str, element: tuple[str, str] = ("", "")) -> list[Any]:
    """What a primitive of that type holds, the plainest first."""
    return BY_ELEMENT.get(element) or POOLS.get(kind) or TEXTS


def choose(below: Below, options: Sequence[T]) -> T:
    """One of these, the first where chance is shrunk to 0."""
    return options[below(len(options))] if len(options) > 1 else options[0]


def resource(below: Below, kind: str, wanted: Wanted, *, beside: bool = False) -> Json:
    """A resource of that type, some of it spoilt; `beside` also extends primitives (`_name`)."""
    made: Json = {"resourceType": kind, "id": choose(below, pool("id"))}
    made |= _elements(below, kind, wanted, 0)
    for _ in range(choose(below, [0, 1, 2, 3])):
        _spoil(below, made)
    for _ in range(choose(below, [0, 1, 2, 3]) if beside else 0):
        _extend(below, made)
    return made


def _elements(below: Below, kind: str, wanted: Wanted, depth: int) -> Json:
    made: Json = {}
    table = elements.types()[kind]
    asked = [name for name in table if (kind, name) in wanted]
    plain = [e.name for e in table.values() if e.types[0] in values.PRIMITIVES and e.name != "id"]
    rest = [choose(below, plain)] if plain and choose(below, [0, 0, 0, 1]) else []
    for name in dict.fromkeys([*asked, *rest]):
        if name in asked and choose(below, range(6)) == 5:
            continue
        key, of = choose(below, _keys(table[name], wanted.get((kind, name), set())))
        sizes = [1, 2, 3, 0, 2] if depth < 2 else [1, 1, 2, 0]
        size = choose(below, sizes) if table[name].repeats else 1
        told = [_value(below, of, (kind, name), wanted, depth) for _ in range(size)]
        made[key] = told if table[name].repeats else told[0]
    return made


def _keys(element: elements.Element, asked: set[str]) -> list[tuple[str, str]]:
    """The types to choose from: those that are asked for weigh as much as all others."""
    if not element.is_choice:
        return element.properties()
    liked = [(key, kind) for key, kind in element.properties() if kind in asked]
    simple = [(key, kind) for key, kind in element.properties() if kind in POOLS]
    return (liked * 4 + simple[:4]) or element.properties()[:3]


def _value(below: Below, kind: str, element: tuple[str, str], wanted: Wanted, depth: int) -> Any:
    if kind in values.PRIMITIVES:
        return choose(below, pool(kind, element))
    return {} if depth >= DEEPEST else _elements(below, kind, wanted, depth + 1)


# --- What goes wrong ---


def _places(json_: Any) -> Iterator[tuple[Any, Any]]:
    """Every value below: the object or array that holds it, and its name or number."""
    pairs = json_.items() if isinstance(json_, dict) else enumerate(json_)
    for key, value in list(pairs):
        if key != "resourceType":
            yield json_, key
        if isinstance(value, dict | list):
            yield from _places(value)


def _spoil(below: Below, made: Json) -> None:
    """Spoil one place: what is done to it first, then where."""
    how = choose(below, HOW)
    places = [(h, k) for h, k in _places(made) if isinstance(h[k], FITS.get(how, object))]
    if not places or how == "deep":
        made["unknownDeep"] = _deep(choose(below, range(1, 61)))
        return
    holder, key = choose(below, places)
    if how == "remove":
        del holder[key]
    else:
        holder[key] = CHANGES[how](below, copy.deepcopy(holder[key]))


def _insert(below: Below, value: list[Any]) -> list[Any]:
    at = choose(below, range(len(value) + 1))
    return [*value[:at], choose(below, [None, {}, 5, "a"]), *value[at:]]


CHANGES: dict[str, Callable[[Below, Any], Any]] = {
    "retype": lambda below, value: 5 if isinstance(value, str) else spell(value),
    "replace": lambda below, value: copy.deepcopy(choose(below, WRONG)),
    "wrap": lambda below, value: [value],
    "unwrap": lambda below, value: value[0] if value else {"value": value},
    "insert": _insert,
    "add": lambda below, value: (
        value | {choose(below, ["unknown", "valueUnknown", "name "]): value}
    ),
}


def _deep(levels: int) -> Any:
    deep: Any = "end"
    for level in range(levels):
        deep = [deep] if level % 2 else {"item": deep}
    return deep


def _extend(below: Below, made: Json) -> None:
    """Put extensions beside a primitive, with its value or without (R4 §2.6.2.2)."""
    places = [(h, k) for h, k in _places(made) if isinstance(h, dict) and not k.startswith("_")]
    leaves = [(h, k) for h, k in places if not isinstance(h[k], dict | list)]
    if not leaves:
        return
    holder, key = choose(below, leaves)
    url = choose(below, URLS)
    holder["_" + key] = {"extension": [{"url": url, "valueCode": choose(below, pool("code"))}]}
    if choose(below, [False, True]):
        del holder[key]


# --- Text ---


def spell(value: Any) -> str:
    """JSON text of what was drawn, each number as it was drawn."""
    if isinstance(value, Mapping):
        told = (f"{json.dumps(key)}:{spell(one)}" for key, one in value.items())
        return "{" + ",".join(told) + "}"
    if isinstance(value, list):
        return "[" + ",".join(spell(one) for one in value) + "]"
    if isinstance(value, Decimal):
        return str(value)
    return json.dumps(value, ensure_ascii=False)
