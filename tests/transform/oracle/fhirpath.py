"""What a FHIRPath expression gives on a resource, said slowly.

FHIRPath §Navigation model: every expression gives a collection, a list of items in order, without
nulls. Section names refer to the FHIRPath specification unless they say R4 or SQL on FHIR.

How JSON becomes items (R4 §2.6.2): an element that repeats is an array, one that does not is not;
a complex element is an object. What has another shape, or is a leaf that does not conform to its
type (values.py), is absent. An element the type does not have is empty. A primitive that has no
value but extensions (`_birthDate`) is an item without a value (R4 §2.6.2.2): it exists, compares
as empty, and extension() finds what it carries.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Context, Decimal
from typing import Any

from tests.transform.oracle import elements, grammar, values
from tests.transform.oracle.values import Temporal

Collection = list["Item"]
NUMBERS = Context(prec=100)
RELATIVE = re.compile(r"([A-Z][A-Za-z]*)/([A-Za-z0-9\-.]{1,64})", re.ASCII)


class EvaluationError(Exception):
    """The expression has no result on this resource (several items where one is wanted, say)."""


@dataclass(frozen=True)
class Item:
    """An element or a computed value: its FHIR type, what it holds, and what stands in `_name`."""

    kind: str
    value: Any
    more: Any = None

    @property
    def is_primitive(self) -> bool:
        return self.kind in values.PRIMITIVES


@dataclass(frozen=True)
class Scope:
    """What a name, %name and $this refer to."""

    focus: Collection
    constants: Mapping[str, Item]
    row_index: int = 0


def resource(json: Mapping[str, Any]) -> Item:
    """The root of a resource."""
    return Item(json["resourceType"], json)


def evaluate(tree: Any, scope: Scope) -> Collection:
    """The collection that a tree of grammar.py gives; EvaluationError where it has none."""
    return TREES[type(tree)](tree, scope)


def _operation(tree: grammar.Operation, scope: Scope) -> Collection:
    return _operate(tree.sign, evaluate(tree.left, scope), evaluate(tree.right, scope))


def _negative(tree: grammar.Negative, scope: Scope) -> Collection:
    return _arithmetic("-", [Item("integer", 0)], evaluate(tree.of, scope))


def _constant(tree: grammar.Constant, scope: Scope) -> Collection:
    if tree.name == "rowIndex":
        return [Item("integer", scope.row_index)]
    return [scope.constants[tree.name]]


def _call(tree: grammar.Call, scope: Scope) -> Collection:
    on = scope.focus if tree.of is None else evaluate(tree.of, scope)
    return CALLS[tree.name](on, scope, *tree.arguments)


# --- Path selection ---


def _member(tree: grammar.Member, scope: Scope) -> Collection:
    on = scope.focus if tree.of is None else evaluate(tree.of, scope)
    if tree.of is None and [item.kind for item in on] == [tree.name]:
        return on  # `Patient.name` on a Patient, §Path selection
    return [child for item in on for child in children(item, tree.name)]


def children(item: Item, name: str) -> Iterator[Item]:
    """The elements of that name below an item."""
    holder = item.more if item.is_primitive else item.value
    found = elements.types().get("Extension" if item.is_primitive else item.kind, {}).get(name)
    if item.is_primitive and name not in ("id", "extension"):
        return
    if found is None or not isinstance(holder, Mapping):
        return
    for key, kind in found.properties():
        json, more = holder.get(key), holder.get("_" + key)
        if found.repeats:
            yield from _each(kind, json, more)
        else:
            yield from _conforming(kind, json, more)


def _each(kind: str, json: Any, more: Any) -> Iterator[Item]:
    """The items of an array and of the array beside it, matched by position (R4 §2.6.2.3)."""
    told = json if isinstance(json, list) else []
    beside = more if isinstance(more, list) else []
    for at in range(max(len(told), len(beside))):
        one = told[at] if at < len(told) else None
        yield from _conforming(kind, one, beside[at] if at < len(beside) else None)


def _conforming(kind: str, json: Any, more: Any) -> Iterator[Item]:
    if kind not in values.PRIMITIVES:
        if isinstance(json, Mapping) and _has_content(kind, json):
            yield Item(kind, json)
        return
    item = Item(kind, values.read(kind, json), more)
    if item.value is not None or any(children(item, "extension")):
        yield item


def _has_content(kind: str, json: Mapping[str, Any]) -> bool:
    """R4 §2.6.2: objects are never empty, an element has properties as defined for its type; one
    that repeats is an array here too (§2.6.2.1). What else a property holds is its own affair."""
    return any(
        isinstance(found, list) if element.repeats else found is not None
        for element in elements.types()[kind].values()
        for key, of in element.properties()
        for found in (json.get(key), json.get("_" + key) if of in values.PRIMITIVES else None)
    )


def _index(tree: grammar.Index, scope: Scope) -> Collection:
    return _at(evaluate(tree.of, scope), _single(evaluate(tree.at, scope), "an index"))


def _at(on: Collection, index: Item | None) -> Collection:
    """§Index: counted from 0; empty outside of the collection."""
    if index is None or not isinstance(index.value, int):
        return []
    return on[index.value : index.value + 1] if index.value >= 0 else []


# --- Operators ---


def _single(on: Collection, what: str) -> Item | None:
    """§Singleton evaluation of collections, for anything but a boolean."""
    if len(on) > 1:
        raise EvaluationError(f"{what} must be a single item")
    return on[0] if on and on[0].value is not None else None


def truth(on: Collection) -> bool | None:
    """§Singleton evaluation as a boolean: a single item that is no boolean is true."""
    item = _single(on, "a boolean")
    if item is None:
        return None
    return item.value if item.kind == "boolean" else True


def _boolean(value: bool | None) -> Collection:
    return [] if value is None else [Item("boolean", value)]


def _operate(sign: str, left: Collection, right: Collection) -> Collection:
    if sign in ("and", "or"):
        return _boolean(_logic(sign, truth(left), truth(right)))
    if sign in ("=", "!="):
        same = equal(left, right)
        return _boolean(same if same is None or sign == "=" else not same)
    if sign in "+-*/":
        return _arithmetic(sign, left, right)
    return _boolean(_compare(sign, left, right))


def _logic(sign: str, left: bool | None, right: bool | None) -> bool | None:
    """§Boolean logic, three values: the deciding value on either side decides."""
    deciding = sign == "or"
    if deciding in (left, right):
        return deciding
    return None if None in (left, right) else not deciding


def equal(left: Collection, right: Collection) -> bool | None:
    """§Equals: empty if either is empty; else item by item, in order."""
    if not left or not right:
        return None
    if len(left) != len(right):
        return False
    found = [_same(one, other) for one, other in zip(left, right, strict=True)]
    return False if False in found else None if None in found else True


def _same(left: Item, right: Item) -> bool | None:
    if left.value is None or right.value is None:
        return None
    ours, theirs = left.value, right.value
    if isinstance(ours, Temporal) and isinstance(theirs, Temporal) and _comparable(ours, theirs):
        found = values.order(ours, theirs)
        return None if found is None else found == 0
    return _family(ours) == _family(theirs) and bool(ours == theirs)


def _family(value: Any) -> Any:
    """Integers convert to decimals implicitly (§Conversion); nothing else does here."""
    return Decimal if isinstance(value, int) and not isinstance(value, bool) else type(value)


def _comparable(left: Temporal, right: Temporal) -> bool:
    """A date converts to a dateTime implicitly (§Conversion), a time to neither."""
    return (left.kind == "time") == (right.kind == "time")


def _compare(sign: str, left: Collection, right: Collection) -> bool | None:
    """§Comparison: strings by code point, dates to the common precision or empty."""
    one, other = _single(left, "what is compared"), _single(right, "what is compared")
    if one is None or other is None:
        return None
    ours, theirs = one.value, other.value
    if isinstance(ours, Temporal) and isinstance(theirs, Temporal) and _comparable(ours, theirs):
        found = values.order(ours, theirs)
    elif _family(ours) == _family(theirs) and _family(ours) in (str, Decimal):
        found = (ours > theirs) - (ours < theirs)
    else:
        raise EvaluationError(f"{one.kind} and {other.kind} have no order")
    if found is None:
        return None
    return {"<": found < 0, "<=": found <= 0, ">": found > 0, ">=": found >= 0}[sign]


def _arithmetic(sign: str, left: Collection, right: Collection) -> Collection:
    """§Math: empty if either is empty; a division always gives a decimal, by zero it is empty."""
    one, other = _single(left, "an operand"), _single(right, "an operand")
    if one is None or other is None:
        return []
    ours, theirs = one.value, other.value
    if sign == "+" and isinstance(ours, str) and isinstance(theirs, str):
        return [Item("string", ours + theirs)]
    if _family(ours) is not Decimal or _family(theirs) is not Decimal:
        raise EvaluationError(f"{one.kind} {sign} {other.kind} is not arithmetic")
    if sign == "/":
        whole, by = Decimal(ours), Decimal(theirs)
        return [Item("decimal", NUMBERS.divide(whole, by))] if by else []
    made = {"+": NUMBERS.add, "-": NUMBERS.subtract, "*": NUMBERS.multiply}[sign](
        Decimal(ours), Decimal(theirs)
    )
    if isinstance(ours, int) and isinstance(theirs, int):
        return [Item("integer", int(made))]
    return [Item("decimal", made)]


# --- Functions ---


def _where(on: Collection, scope: Scope, criteria: Any) -> Collection:
    """§where: the items for which the criteria are true; within, the item is the focus."""
    return [item for item in on if truth(evaluate(criteria, replace(scope, focus=[item])))]


def _exists(on: Collection, scope: Scope, *criteria: Any) -> Collection:
    return _boolean(bool(_where(on, scope, *criteria) if criteria else on))


def _of_type(on: Collection, _: Scope, specifier: Any) -> Collection:
    """§ofType, by the very name of the type, as FHIR.Quantity or Quantity."""
    return [item for item in on if item.kind == type_name(specifier)]


def type_name(specifier: Any) -> str:
    """The type that a specifier names; SQL on FHIR writes it as a string at times."""
    match specifier:
        case grammar.Member(None | grammar.Member(None, "FHIR" | "System"), name):
            return name
        case grammar.Literal("string", name):
            return str(name)
    raise grammar.PathError("a type expected")


def _extension(on: Collection, scope: Scope, url: Any) -> Collection:
    """R4 fhirpath page, extension(url): short for .extension.where(url = string)."""
    wanted = _single(evaluate(url, scope), "a url")
    found = [child for item in on for child in children(item, "extension")]
    return [one for one in found if wanted and one.value.get("url") == wanted.value]


def _join(on: Collection, scope: Scope, *separator: Any) -> Collection:
    """§join: of strings; empty of nothing (as decided upstream in May 2026)."""
    between = _single(evaluate(separator[0], scope), "a separator") if separator else None
    told = [item.value for item in on if item.value is not None]
    if not all(isinstance(one, str) for one in told):
        raise EvaluationError("join() is of strings")
    return [Item("string", (between.value if between else "").join(told))] if told else []


def _resource_key(on: Collection, _: Scope) -> Collection:
    """SQL on FHIR §getResourceKey: here the id."""
    return [child for item in on for child in children(item, "id")]


def _reference_key(on: Collection, _: Scope, *specifier: Any) -> Collection:
    """SQL on FHIR §getReferenceKey: the id of a relative reference, of that type if one is named."""
    keys = []
    for item in on:
        told = [child.value for child in children(item, "reference") if item.kind == "Reference"]
        found = RELATIVE.fullmatch(told[0]) if told and told[0] else None
        if found and (not specifier or found[1] == type_name(specifier[0])):
            keys.append(Item("id", found[2]))
    return keys


def _boundary(high: bool) -> Callable[..., Collection]:
    def found(on: Collection, _: Scope) -> Collection:
        item = _single(on, "what has boundaries")
        value = values.boundary(item.value, high=high) if item else None
        kind = "decimal" if isinstance(value, Decimal) else item.kind if item else ""
        return [] if value is None else [Item(kind, value)]

    return found


def _not(on: Collection, _: Scope) -> Collection:
    value = truth(on)
    return _boolean(None if value is None else not value)


CALLS: dict[str, Callable[..., Collection]] = {
    "where": _where,
    "exists": _exists,
    "empty": lambda on, _: _boolean(not on),
    "first": lambda on, _: on[:1],
    "ofType": _of_type,
    "extension": _extension,
    "join": _join,
    "not": _not,
    "lowBoundary": _boundary(high=False),
    "highBoundary": _boundary(high=True),
    "getResourceKey": _resource_key,
    "getReferenceKey": _reference_key,
}

TREES: dict[type, Callable[[Any, Scope], Collection]] = {
    grammar.Literal: lambda tree, _: [Item(tree.kind, tree.value)],
    grammar.Empty: lambda tree, _: [],
    grammar.This: lambda tree, scope: scope.focus,
    grammar.Constant: _constant,
    grammar.Member: _member,
    grammar.Index: _index,
    grammar.Negative: _negative,
    grammar.Operation: _operation,
    grammar.Call: _call,
}
