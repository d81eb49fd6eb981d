"""A ViewDefinition read and checked for its form (SQL on FHIR v2, StructureDefinition
ViewDefinition)."""

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from lakehouse.errors import SpecError
from lakehouse.viewdefinition.elements import is_primitive, is_resource
from lakehouse.viewdefinition.syntax import Literal

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")
_COMMON = {"id", "extension", "modifierExtension"}
_VIEW_KEYS = _COMMON | {
    "resourceType",
    "meta",
    "implicitRules",
    "language",
    "text",
    "contained",
    "url",
    "identifier",
    "version",
    "versionAlgorithmString",
    "versionAlgorithmCoding",
    "name",
    "title",
    "status",
    "experimental",
    "date",
    "publisher",
    "contact",
    "description",
    "useContext",
    "jurisdiction",
    "purpose",
    "copyright",
    "copyrightLabel",
    "approvalDate",
    "lastReviewDate",
    "effectivePeriod",
    "topic",
    "author",
    "editor",
    "reviewer",
    "endorser",
    "relatedArtifact",
    "resource",
    "resourceVersion",
    "fhirVersion",
    "profile",
    "constant",
    "select",
    "where",
}
_SELECT_KEYS = _COMMON | {"column", "select", "forEach", "forEachOrNull", "repeat", "unionAll"}
_COLUMN_KEYS = _COMMON | {"name", "path", "description", "collection", "type", "tag"}
_CONSTANTS = {
    **dict.fromkeys(("Boolean",), "boolean"),
    **dict.fromkeys(("Integer", "PositiveInt", "UnsignedInt", "Integer64"), "integer"),
    "Decimal": "decimal",
    "Date": "date",
    **dict.fromkeys(("DateTime", "Instant"), "dateTime"),
    "Time": "time",
    **dict.fromkeys(("Base64Binary", "Canonical", "Code", "Id", "Markdown"), "string"),
    **dict.fromkeys(("Oid", "String", "Uri", "Url", "Uuid"), "string"),
}
_TEXTS = {
    "integer": re.compile(r"-?(?:0|[1-9]\d*)\Z"),
    "decimal": re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?\Z"),
    "boolean": re.compile("true|false"),
    "date": re.compile(r"\d{4}(?:-\d\d(?:-\d\d)?)?\Z"),
    "dateTime": re.compile(
        r"\d{4}(?:-\d\d(?:-\d\d(?:T\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d))?)?)?\Z"
    ),
    "time": re.compile(r"\d\d:\d\d:\d\d(?:\.\d+)?\Z"),
    "string": re.compile("", re.S),
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column: `type` is the FHIR type it declares, or none; `is_collection` keeps a list."""

    name: str
    path: str
    type: str
    is_collection: bool
    tags: Mapping[str, str]
    means: str


@dataclass(frozen=True, slots=True)
class Select:
    """A part of the rows: for each item of `each`, or of what `repeat` reaches, its columns and
    parts."""

    place: str
    columns: tuple[Column, ...]
    selects: tuple["Select", ...]
    union: tuple["Select", ...]
    each: str | None
    or_null: bool
    repeat: tuple[str, ...]

    @property
    def iterates(self) -> bool:
        """True where it makes rows of items."""
        return self.each is not None or bool(self.repeat)

    def all_columns(self) -> Iterator[Column]:
        """The columns of the rows, in order; those of a union by its first branch."""
        yield from self.columns
        for inner in (*self.selects, *self.union[:1]):
            yield from inner.all_columns()

    def repeats(self) -> bool:
        """True where the select or one inside it repeats."""
        return bool(self.repeat) or any(inner.repeats() for inner in (*self.selects, *self.union))

    def multiplies(self) -> bool:
        """True where what is inside makes at least one row of each focus, and may make several."""
        parts = (*self.selects, *self.union)
        is_any = bool(self.union) or any(part.iterates or part.multiplies() for part in parts)
        return is_any and self._leaves_none_out()

    def _leaves_none_out(self) -> bool:
        union = not self.union or any(
            (not part.iterates or part.or_null) and part._leaves_none_out() for part in self.union
        )
        return union and all(
            (not part.iterates or part.or_null) and part._leaves_none_out() for part in self.selects
        )

    def lasting(self, failing: Set[str], *, is_awaited: bool = False) -> Iterator[str]:
        """The places inside that keep a row also of nothing, because what is looped over behind
        them fails on several values, and that it does so whatever stands before it.

        `failing` are the places that do; `is_awaited` says that one comes behind this select.
        """
        if is_awaited and self.iterates and not self.or_null:
            yield self.place
        for number, inner in enumerate(self.selects, 1):
            behind = (*self.selects[number:], *self.union)
            is_so = is_awaited or any(part._holds_any(failing) for part in behind)
            yield from inner.lasting(failing, is_awaited=is_so)
        for branch in self.union:
            yield from branch.lasting(failing, is_awaited=is_awaited)

    def _holds_any(self, places: Set[str]) -> bool:
        return any(f"{place}.".startswith(f"{self.place}.") for place in places)

    def asks_index(self) -> bool:
        """True where some path inside may ask for %rowIndex."""
        told = [*(column.path for column in self.columns), self.each or "", *self.repeat]
        return any("%rowIndex" in path for path in told) or any(
            inner.asks_index() for inner in (*self.selects, *self.union)
        )


@dataclass(frozen=True, slots=True)
class View:
    """A whole view: rows of the selects' cross product, for each resource that passes `where`."""

    name: str
    resource: str
    means: str
    owner: str
    select: Select
    where: tuple[str, ...]
    constants: Mapping[str, Literal]


def read_view(told: Any) -> View:
    """The view that a ViewDefinition declares; raises SpecError naming the place that is wrong."""
    _keys("the view", told, _VIEW_KEYS)
    resource = told.get("resource")
    if not isinstance(resource, str) or not is_resource(resource):
        raise SpecError("the view names no resource of FHIR R4", hint='"resource": "Patient"')
    versions = told.get("fhirVersion") or ["4.0.1"]
    if not any(str(version).startswith("4.") for version in versions):
        raise SpecError("the view is not for FHIR R4")
    selects = _selects("select", told.get("select"))
    if not selects:
        raise SpecError("the view selects nothing")
    whole = Select("", (), selects, (), None, False, ())
    _refuse_repeated(whole)
    name = told.get("name", "")
    means = told.get("description") or told.get("title") or f"The view {name} of {resource}."
    owner = told.get("publisher") or "whoever wrote the view"
    where = tuple(_where(told.get("where")))
    return View(str(name), resource, str(means), str(owner), whole, where, _constants(told))


def _keys(place: str, told: Any, known: set[str]) -> None:
    if not isinstance(told, Mapping):
        raise SpecError(f"{place} is not an object")
    unknown = sorted(str(key) for key in told.keys() - known if not str(key).startswith("_"))
    if unknown:
        raise SpecError(f"{place} has what no ViewDefinition has: {', '.join(unknown)}")


def _listed(place: str, told: Any) -> Sequence[Any]:
    if told is None:
        return ()
    if not isinstance(told, list):
        raise SpecError(f"{place} is not a list")
    return told


def _selects(place: str, told: Any) -> tuple[Select, ...]:
    listed = _listed(place, told)
    return tuple(_select(f"{place}[{number}]", item) for number, item in enumerate(listed))


def _select(place: str, told: Any) -> Select:
    _keys(place, told, _SELECT_KEYS)
    loops = [key for key in ("forEach", "forEachOrNull", "repeat") if told.get(key) is not None]
    if len(loops) > 1:
        raise SpecError(f"{place} has {' and '.join(loops)}: only one can be")
    for key in ("forEach", "forEachOrNull"):
        if key in loops and not isinstance(told[key], str):
            raise SpecError(f"{place}.{key} is not a path")
    repeat = _listed(f"{place}.repeat", told.get("repeat"))
    if ("repeat" in loops and not repeat) or not all(isinstance(path, str) for path in repeat):
        raise SpecError(f"{place}.repeat is not a list of paths")
    columns = _listed(f"{place}.column", told.get("column"))
    found = Select(
        place,
        tuple(_column(f"{place}.column[{number}]", item) for number, item in enumerate(columns)),
        _selects(f"{place}.select", told.get("select")),
        _selects(f"{place}.unionAll", told.get("unionAll")),
        told.get("forEach") or told.get("forEachOrNull"),
        "forEachOrNull" in loops,
        tuple(repeat),
    )
    _refuse_unlike(found)
    if not any(found.all_columns()):
        raise SpecError(f"{place} has no column")
    return found


def _column(place: str, told: Any) -> Column:
    _keys(place, told, _COLUMN_KEYS)
    name, path = told.get("name"), told.get("path")
    if not isinstance(name, str) or not _NAME.match(name):
        raise SpecError(
            f"{place} needs a name of letters, digits and _, which begins with a letter"
        )
    if not isinstance(path, str):
        raise SpecError(f"{place} ({name}) has no path")
    kind = str(told.get("type") or "").rpartition("/")[2]
    if kind and not is_primitive(kind):
        raise SpecError(f"{place} ({name}): {kind} is not a type of a single value")
    if not isinstance(told.get("collection", False), bool):
        raise SpecError(f"{place} ({name}): collection is true or false")
    tags = {
        item.get("name"): item.get("value") for item in _listed(f"{place}.tag", told.get("tag"))
    }
    means = str(told.get("description") or "")
    return Column(name, path, kind, bool(told.get("collection")), tags, means)


def _refuse_unlike(select: Select) -> None:
    names = [[column.name for column in branch.all_columns()] for branch in select.union]
    if any(listed != names[0] for listed in names):
        raise SpecError(f"{select.place}.unionAll: the branches differ in columns or their order")


def _refuse_repeated(select: Select) -> None:
    seen: set[str] = set()
    for column in select.all_columns():
        if column.name.lower() in seen:
            raise SpecError(f"the column {column.name} is there twice", hint="case does not count")
        seen.add(column.name.lower())


def _where(told: Any) -> Iterator[str]:
    for number, item in enumerate(_listed("where", told)):
        _keys(f"where[{number}]", item, _COMMON | {"path", "description"})
        if not isinstance(item.get("path"), str):
            raise SpecError(f"where[{number}] has no path")
        yield item["path"]


def _constants(told: Mapping[str, Any]) -> dict[str, Literal]:
    found: dict[str, Literal] = {}
    for number, item in enumerate(_listed("constant", told.get("constant"))):
        place = f"constant[{number}]"
        _keys(place, item, _COMMON | {"name", *(f"value{kind}" for kind in _CONSTANTS)})
        name = item.get("name")
        values = [key for key in item if key.startswith("value")]
        if not isinstance(name, str) or not _NAME.match(name) or name in found:
            raise SpecError(f"{place} needs a name of its own, of letters, digits and _")
        if len(values) != 1:
            raise SpecError(f"{place} ({name}) needs one value")
        found[name] = _constant(f"{place} ({name})", values[0], item[values[0]])
    return found


def _constant(place: str, key: str, value: Any) -> Literal:
    kind = _CONSTANTS[key.removeprefix("value")]
    is_native = {"boolean": bool, "integer": int, "decimal": int | float | Decimal}.get(kind, str)
    text = str(value).lower() if isinstance(value, bool) else str(value)
    is_right = isinstance(value, is_native) and isinstance(value, bool) == (kind == "boolean")
    if not is_right or not _TEXTS[kind].match(text):
        raise SpecError(f"{place}: {key} does not hold a value of its type")
    return Literal(kind, text, 0)
