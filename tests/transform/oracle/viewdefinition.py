"""The rows of a ViewDefinition, by the algorithm of SQL on FHIR §Processing Algorithm, step by step.

Where the algorithm and the official suite say more than the text:
- `repeat` visits depth first, a node before what is below it, path by path; every node is a row;
- %rowIndex counts the items of the nearest enclosing forEach, forEachOrNull or repeat, and is 0
  without one, and 0 in the row that forEachOrNull makes of nothing; all else in that row is null;
- a column with `collection` is a list, and of nothing an empty list.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from tests.transform.oracle import grammar, values
from tests.transform.oracle.fhirpath import (
    Collection,
    EvaluationError,
    Item,
    Scope,
    evaluate,
    resource,
    truth,
)

Json = Mapping[str, Any]
Row = dict[str, Any]
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)
ITERATIONS = ("forEach", "forEachOrNull", "repeat")
DEEPEST = 100
CONSTANTS = values.PRIMITIVES - {"markdown", "xhtml"}


class ViewError(Exception):
    """The ViewDefinition is not valid."""


@dataclass(frozen=True)
class Column:
    name: str
    path: str
    kind: str | None
    is_collection: bool


@dataclass(frozen=True)
class Select:
    """One selection structure, its paths parsed."""

    columns: list[Column]
    selects: list["Select"]
    unions: list["Select"]
    iteration: str | None
    paths: list[Any]
    trees: dict[str, Any] = field(default_factory=dict)

    def produced(self) -> list[Column]:
        """Its columns in the order of §Column Ordering: own, nested, then those of the union."""
        inner = [column for select in self.selects for column in select.produced()]
        return self.columns + inner + (self.unions[0].produced() if self.unions else [])


class View:
    """A valid ViewDefinition; ViewError says what is wrong with another."""

    def __init__(self, told: Json) -> None:
        self.resource = _text(told, "resource")
        self.constants = dict(map(_constant, _list(told, "constant")))
        self.wheres = [self._parse(_text(one, "path")) for one in _list(told, "where")]
        if not _list(told, "select"):
            raise ViewError("a view selects something")
        self.root = Select([], [self._select(s) for s in _list(told, "select")], [], None, [])
        self.columns = _validated(self.root, [])

    def rows(self, resources: Iterable[Json]) -> list[Row]:
        """The rows of these resources; EvaluationError where a path has no result on one."""
        return [row for json in resources for row in self._of(json)]

    def _of(self, json: Json) -> Iterator[Row]:
        """§Process a Resource."""
        if json.get("resourceType") != self.resource:
            return
        scope = Scope([resource(json)], self.constants)
        if all(_holds(evaluate(tree, scope)) for tree in self.wheres):
            yield from _process(self.root, scope)

    def _parse(self, path: str) -> Any:
        try:
            tree = grammar.parse(path)
        except grammar.PathError as error:
            raise ViewError(str(error)) from error
        unknown = grammar.constants_of(tree) - self.constants.keys() - {"rowIndex"}
        if unknown:
            raise ViewError(f"{path}: no constant {sorted(unknown)}")
        return tree

    def _select(self, told: Any) -> Select:
        if not isinstance(told, Mapping):
            raise ViewError("a select is an object")
        iterations = [name for name in ITERATIONS if name in told]
        if len(iterations) > 1:
            raise ViewError("a select has at most one of forEach, forEachOrNull and repeat")
        columns = [_column(one) for one in _list(told, "column")]
        return Select(
            columns,
            [self._select(one) for one in _list(told, "select")],
            [self._select(one) for one in _list(told, "unionAll")],
            iterations[0] if iterations else None,
            [self._parse(path) for path in _paths(told, *iterations)],
            {column.name: self._parse(column.path) for column in columns},
        )


# --- Validate Columns ---


def _validated(select: Select, before: list[str]) -> list[Column]:
    """§Validate Columns: names are unique, the branches of a union have the same columns."""
    names = list(before)
    for column in select.columns:
        _append(names, column)
    for inner in select.selects:
        for column in _validated(inner, names):
            _append(names, column)
    branches = [_validated(branch, names) for branch in select.unions]
    told = [[(c.name, c.kind, c.is_collection) for c in branch] for branch in branches]
    if any(branch != told[0] for branch in told):
        raise ViewError("the branches of a union have different columns")
    return select.produced()


def _append(names: list[str], column: Column) -> None:
    if column.name in names:
        raise ViewError(f"column {column.name} is already defined")
    names.append(column.name)


def _column(told: Any) -> Column:
    name, kind, many = _text(told, "name"), told.get("type"), told.get("collection", False)
    if not NAME.fullmatch(name) or not isinstance(many, bool):
        raise ViewError(f"column {name}")
    if kind is not None and not isinstance(kind, str):
        raise ViewError(f"column {name} has no such type")
    return Column(name, _text(told, "path"), kind, many)


def _constant(told: Any) -> tuple[str, Item]:
    name = _text(told, "name")
    given = [key for key in told if key.startswith("value")]
    if not NAME.fullmatch(name) or len(given) != 1:
        raise ViewError(f"constant {name} has a name and one value")
    kind = _kind(given[0])
    value = values.read(kind, told[given[0]])
    if value is None:
        raise ViewError(f"constant {name} is not a {kind}")
    return name, Item(kind, value)


def _kind(key: str) -> str:
    for kind in CONSTANTS:
        if "value" + kind[0].upper() + kind[1:] == key:
            return kind
    raise ViewError(f"{key} is not a value that a constant may have")


def _paths(told: Json, *iterations: str) -> list[str]:
    for name in iterations:
        paths = told[name] if name == "repeat" else [told[name]]
        if isinstance(paths, list) and paths and all(isinstance(path, str) for path in paths):
            return paths
        raise ViewError(f"{name} is not a path")
    return []


def _text(told: Any, name: str) -> str:
    value = told.get(name) if isinstance(told, Mapping) else None
    if not isinstance(value, str) or not value:
        raise ViewError(f"{name} is missing or not a string")
    return value


def _list(told: Json, name: str) -> list[Any]:
    value = told.get(name, [])
    if not isinstance(value, list):
        raise ViewError(f"{name} is not a list")
    return value


# --- Process a Resource ---


def _holds(on: Collection) -> bool:
    """A where is true, false or empty; anything else is an error (suite: validate)."""
    if any(item.kind != "boolean" for item in on):
        raise EvaluationError("where is not a boolean")
    return truth(on) is True


def _process(select: Select, scope: Scope) -> Iterator[Row]:
    """§Process(S, N)."""
    foci = _foci(select, scope)
    for focus in foci:
        parts: list[list[Row]] = [[{c.name: _value(c, select, focus)}] for c in select.columns]
        parts += [list(_process(inner, focus)) for inner in select.selects]
        if select.unions:
            parts.append([row for branch in select.unions for row in _process(branch, focus)])
        for rows in product(*parts):
            yield {name: value for row in rows for name, value in row.items()}
    if not foci and select.iteration == "forEachOrNull":
        yield _null_row(select)


def _foci(select: Select, scope: Scope) -> list[Scope]:
    if select.iteration is None:
        return [scope]
    if select.iteration == "repeat":
        found = list(_below(select.paths, scope, 0))
    else:
        found = evaluate(select.paths[0], scope)
    return [Scope([item], scope.constants, at) for at, item in enumerate(found)]


def _below(paths: list[Any], scope: Scope, depth: int) -> Iterator[Item]:
    if depth > DEEPEST:
        raise EvaluationError("repeat does not end")
    for path in paths:
        for item in evaluate(path, scope):
            yield item
            yield from _below(paths, Scope([item], scope.constants), depth + 1)


def _null_row(select: Select) -> Row:
    row: Row = {column.name: None for column in select.produced()}
    return row | dict.fromkeys(_indexes(select), 0)


def _indexes(select: Select) -> Iterator[str]:
    """The columns that count this very iteration: not those of an iteration within."""
    yield from (column.name for column in select.columns if column.path == "%rowIndex")
    for inner in select.selects + select.unions[:1]:
        if inner.iteration is None:
            yield from _indexes(inner)


def _value(column: Column, select: Select, scope: Scope) -> Any:
    found = evaluate(select.trees[column.name], scope)
    if any(not item.is_primitive for item in found):
        raise EvaluationError(f"column {column.name} is not of a primitive type")
    told = [item.value for item in found if item.value is not None]
    if column.is_collection:
        return told
    if len(found) > 1:
        raise EvaluationError(f"column {column.name} has several values")
    return told[0] if told else None
