"""What an expression stands for while a view is compiled: SQL, its type, and what it was read
from."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from lakehouse.viewdefinition.shape import Node

COMPLEX = "complex"
CHOICE = "choice"
MOMENTS = ("date", "dateTime")
NUMBERS = ("integer", "decimal")
TEXTS = ("string", "date", "dateTime", "time")

_PLAIN = re.compile(r"""[\w."]+|\(?'[^']*'\)?|\(-?\d+\)""")
_TEXT = re.compile(r"'(?:[^']|'')*'")
_ITEM = re.compile(r"\bx\d+\b")
_LAMBDA = re.compile(r"\blambda (x\d+(?:, x\d+)?):")
_NAMED = re.compile(r"\b_v\d+\b")
_YEAR = r"(?:[1-9]\d\d\d|0[1-9]\d\d|00[1-9]\d|000[1-9])"
_MONTH, _DAY = "-(?:0[1-9]|1[0-2])", r"-(?:0[1-9]|1\d|2[0-8])"
_CLOCK = (
    r"T(?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d+)?"
    r"(?:Z|[+-](?:(?:0\d|1[0-3]):[0-5]\d|14:00))"
)
_DATED = {
    "date": (f"{_YEAR}(?:{_MONTH}(?:{_DAY})?)?", ""),
    "dateTime": (f"{_YEAR}(?:{_MONTH}(?:{_DAY}(?:{_CLOCK})?)?)?", f"(?:{_CLOCK})?"),
    "instant": (f"{_YEAR}{_MONTH}{_DAY}{_CLOCK}", _CLOCK),
}
"""The forms of R4's dates: up to the 28th of a month, and what may follow a later day."""

_QUOTE = '"'

_READ = {
    "boolean": "fhirpath_boolean({0})",
    "integer": "fhirpath_integer({0})",
    "unsignedInt": "fhirpath_integer_from({0}, 0)",
    "positiveInt": "fhirpath_integer_from({0}, 1)",
    "decimal": "fhirpath_decimal({0})",
    "time": "fhirpath_time({0})",
}


@dataclass(frozen=True, slots=True)
class Value:
    """A collection of FHIRPath as SQL.

    One that can hold one item at most is that item, null where it is empty; another (`many`) is a
    list, without nulls where its items are simple. `kind` is boolean, integer, decimal, string,
    date, dateTime, time, complex or choice. A complex value that is not `clean` may hold what is no
    object; see Node. `head` is SQL of its first item, right where that is present, and `lists` are
    those whose first items led there. `trail` are the keys that lead to it from the resource, where
    it is all that stands there. `guarded` says that nothing true can come of it where the focus has
    no contents. `paths` are the JSON paths that the value is made of, `deciders` those that only
    decide which.
    """

    sql: str
    kind: str
    type: str = ""
    many: bool = False
    node: Node | None = None
    clean: bool = False
    guarded: bool = False
    as_text: bool = False
    head: str = ""
    lists: tuple[str, ...] = ()
    origin: "tuple[Value, str] | None" = None
    trail: tuple[str, ...] | None = None
    paths: frozenset[str] = field(default_factory=frozenset)
    deciders: frozenset[str] = field(default_factory=frozenset)

    def like(self, sql: str, **more: Any) -> "Value":
        """The same type and sources, other SQL; where it came from is forgotten."""
        forgotten = {"head": "", "lists": (), "origin": None, "trail": None}
        return replace(self, **{"sql": sql, **forgotten, **more})

    def seen(self, *others: "Value") -> "Value":
        """The same value, decided by what these others were read from as well."""
        found = self.deciders.union(*(other.paths | other.deciders for other in others))
        return replace(self, deciders=found - self.paths)


def simple(sql: str, kind: str, *of: Value, guarded: bool = False) -> Value:
    """One computed item, with the sources of what it is made of."""
    paths = frozenset[str]().union(*(value.paths for value in of))
    deciders = frozenset[str]().union(*(value.deciders for value in of))
    return Value(sql, kind, guarded=guarded, paths=paths, deciders=deciders - paths)


def quoted(text: str) -> str:
    """Text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def member(sql: str, key: str) -> str:
    """A field of a struct."""
    return f'{sql}."{key}"'


def read_leaf(raw: str, type_name: str, *, as_text: bool = False) -> str:
    """SQL that reads a value of a primitive type from its JSON text; null where it is none of that
    type (R4, Data Types)."""
    if as_text and type_name == "decimal":
        return f"fhirpath_decimal_text({raw})"
    if type_name in _DATED:
        return f"fhirpath_dated({raw}, {_forms(type_name, _QUOTE)})"
    return _READ.get(type_name, "fhirpath_string({0})").format(raw)


def read_text(text: str, type_name: str, path: str) -> str:
    """The same for a leaf at a path of the resource that was taken without its quotes."""
    if type_name == "instant":
        return f"fhirpath_text_instant({text}, {_forms(type_name)})"
    is_string = f"json_type(resource, {quoted(path)}) = 'VARCHAR'"
    if type_name in _DATED:
        return f"fhirpath_text_dated({text}, {_forms(type_name)}, {is_string})"
    return f"fhirpath_text({text}, {is_string})"


def _forms(type_name: str, quote: str = "") -> str:
    early, clock = _DATED[type_name]
    late = f"{_YEAR}{_MONTH}-(?:29|30|31){clock}"
    return ", ".join(quoted(f"{quote}{form}{quote}") for form in (early, late))


def is_text(raw: str, text: str) -> str:
    """SQL that tells whether the JSON text of a leaf is that of this string."""
    return f"{raw} = {quoted(json.dumps(text, ensure_ascii=False))}"


def is_only_text(text: str) -> bool:
    """True for a string that no other JSON value looks like once its quotes are gone."""
    try:
        json.loads(text)
    except ValueError:
        return True
    return False


def is_plain(sql: str) -> bool:
    """True for a column, a part of one, and a constant."""
    return _PLAIN.fullmatch(sql) is not None


def _is_of_row(sql: str) -> bool:
    """True for what can be a column of the rows: it names no item of a list around it, and does
    not fail, which it may do only where it is asked for."""
    bare = _TEXT.sub("", sql)
    inner = set(_ITEM.findall(bare)) - set(", ".join(_LAMBDA.findall(bare)).split(", "))
    return not inner and "_w." not in bare and "error(" not in bare


@dataclass(frozen=True, slots=True)
class Scope:
    """What a path begins from: its focus, and the SQL of %rowIndex.

    `there` tells the rows of items from the row that forEachOrNull makes of nothing, in which every
    column is null, and `counted` does so for %rowIndex, which is 0 there. Empty: all are of items.
    """

    this: Value
    index: str = "0"
    as_text: bool = False
    there: str = ""
    counted: str = ""

    def inside(self, item: Value) -> "Scope":
        """The scope of a criterion on each item."""
        return replace(self, this=replace(item, guarded=True), as_text=False)


class Names:
    """Names of lambda parameters and of values that are worked out beforehand, each once in a view.

    `waiting` are those of the latter that no step of the rows has as columns yet.
    """

    def __init__(self) -> None:
        self._count = 0
        self._known: dict[str, str] = {}
        self.waiting: dict[str, str] = {}

    def new(self) -> str:
        """A name that no other part of the query uses."""
        self._count += 1
        return f"x{self._count}"

    def each(self, items: str, made: Callable[[str], str]) -> str:
        """Every item of a list turned into something."""
        name = self.new()
        return f"list_transform({items}, lambda {name}: {made(name)})"

    def only(self, items: str, passes: Callable[[str], str]) -> str:
        """The items of a list that pass."""
        name = self.new()
        return f"list_filter({items}, lambda {name}: {passes(name)})"

    def once(self, sql: str, made: Callable[[str], str]) -> str:
        """What is made of a value that is named more than once: it is worked out once."""
        if is_plain(sql):
            return made(sql)
        if _is_of_row(sql):
            return made(self._column(sql))
        name = self.new()
        return f"list_transform([{sql}], lambda {name}: {made(name)})[1]"

    def _column(self, sql: str) -> str:
        if sql not in self._known:
            self._known[sql] = f"_v{len(self._known)}"
            self.waiting[self._known[sql]] = sql
        return self._known[sql]

    def layers(self) -> Iterator[dict[str, str]]:
        """The waiting columns, each after those that it is made of; then none waits."""
        while self.waiting:
            names = set(self.waiting)
            ready = {
                name: sql
                for name, sql in self.waiting.items()
                if names.isdisjoint(_NAMED.findall(sql))
            }
            self.waiting = {name: self.waiting[name] for name in self.waiting if name not in ready}
            yield ready

    def only_at(self, items: str, passes: Callable[[str, str], str]) -> str:
        """The items of a list that pass; it is told where they stand, from 1."""
        name, place = self.new(), self.new()
        return f"list_filter({items}, lambda {name}, {place}: {passes(name, place)})"

    def present(self, items: str) -> str:
        """The items of a list that are not null."""
        return self.only(items, lambda name: f"{name} is not null")
