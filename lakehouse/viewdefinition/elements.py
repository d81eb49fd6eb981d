"""The element types of FHIR R4, from the table r4.tsv, which is generated from HL7's profiles."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

TABLE = Path(__file__).with_name("r4.tsv")

_KINDS = {
    "boolean": "boolean",
    "integer": "integer",
    "positiveInt": "integer",
    "unsignedInt": "integer",
    "integer64": "integer",
    "decimal": "decimal",
    "date": "date",
    "dateTime": "dateTime",
    "instant": "dateTime",
    "time": "time",
}


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a type: its name, the types it may have (several in a choice), and whether it
    may repeat."""

    name: str
    types: tuple[str, ...]
    is_list: bool
    is_choice: bool

    def json_name(self, kind: str) -> str:
        """The key that carries it in JSON, where it is of this type."""
        return f"{self.name}{kind[:1].upper()}{kind[1:]}" if self.is_choice else self.name


@dataclass(frozen=True, slots=True)
class Type:
    """A type and the one that it is derived from; `is_primitive` types have a value of their
    own."""

    name: str
    base: str
    is_primitive: bool
    own: Mapping[str, Element]


@cache
def type_named(name: str) -> Type | None:
    """The type of that name; None where R4 has none."""
    line = _lines().get(name)
    return _type(line) if line else None


def is_resource(name: str) -> bool:
    """True for Resource and what is derived from it, down to Patient and Bundle."""
    return "Resource" in [found.name for found in _lineage(name)]


def is_a(name: str, ancestor: str) -> bool:
    """True where the first type is the second, or derived from it."""
    return ancestor in [found.name for found in _lineage(name)]


def is_primitive(name: str) -> bool:
    """True for the types that have a value of their own, such as string and date."""
    found = type_named(name)
    return found is not None and found.is_primitive


def element(type_name: str, name: str) -> Element | None:
    """The element of that name, own or inherited; a choice goes by its name without [x]."""
    return next((t.own[name] for t in _lineage(type_name) if name in t.own), None)


def is_known(name: str) -> bool:
    """True where some type has an element of that name."""
    return any(name in found.own for found in map(type_named, _lines()) if found)


def elements(type_name: str) -> Iterator[Element]:
    """All elements of a type, its own first."""
    for found in _lineage(type_name):
        yield from found.own.values()


def kind_of(type_name: str) -> str:
    """The FHIRPath type of a primitive's value: boolean, integer, decimal, date, dateTime, time,
    else string."""
    return _KINDS.get(type_name, "string")


def _lineage(name: str) -> Iterator[Type]:
    found = type_named(name)
    while found:
        yield found
        found = type_named(found.base)


@cache
def _lines() -> dict[str, str]:
    lines = TABLE.read_text().splitlines()
    return {line.partition("\t")[0]: line for line in lines if not line.startswith("#")}


def _type(line: str) -> Type:
    name, base, told = line.split("\t")
    parted = (item.partition(":") for item in told.split())
    own = (_element(own_name, types) for own_name, _, types in parted)
    is_primitive = base.startswith("primitive")
    base = base.removeprefix("primitive").strip()
    return Type(name, base, is_primitive, {item.name: item for item in own})


def _element(told: str, types: str) -> Element:
    name = told.removesuffix("*").removesuffix("[x]")
    is_choice = told.removesuffix("*").endswith("[x]")
    listed = tuple(kind.removeprefix("#") for kind in types.split(","))
    return Element(name, listed, told.endswith("*"), is_choice)
