"""One column of a view: its value, its SQL type, and what it was read from."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from lakehouse.errors import SpecError
from lakehouse.viewdefinition import elements
from lakehouse.viewdefinition.paths import Paths
from lakehouse.viewdefinition.syntax import PathError, parse
from lakehouse.viewdefinition.value import MOMENTS, TEXTS, Scope, Value, simple
from lakehouse.viewdefinition.view import Column

_SQL_TYPES = {"boolean": "boolean", "integer": "integer", "decimal": "double"}


@dataclass(frozen=True, slots=True)
class Output:
    """One column of the rows: its SQL type, and the JSON paths that it is made of and decided
    by."""

    name: str
    sql_type: str
    means: str
    tags: Mapping[str, str]
    paths: frozenset[str]
    deciders: frozenset[str]


@dataclass(frozen=True, slots=True)
class Made:
    """A column while the branches of unions are put together."""

    column: Column
    value: Value

    @property
    def sql(self) -> str:
        """SQL of its value."""
        return self.value.sql

    def like(self, sql: str) -> "Made":
        """The same column by other SQL."""
        return replace(self, value=self.value.like(sql))


class Place:
    """Says of what goes wrong inside in which column and path it is."""

    def __init__(self, paths: Paths, place: str, path: str) -> None:
        self._path = path
        self._place = place
        paths.items.place = place

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, PathError):
            where = f"path `{self._path}`, character {error.at}"
            raise SpecError(f"{self._place}: {error.message} ({where})", hint=error.hint) from None


def column_value(paths: Paths, column: Column, scope: Scope) -> Value:
    """The value of a column in a row; raises PathError where its path has none of its type."""
    found = _typed(paths, column, scope)
    there = scope.counted if column.path.strip() == "%rowIndex" else scope.there
    if not there or found.node is not None:
        return found  # an element of nothing is null of itself
    return found.like(f"case when {there} then {found.sql} end")


def _typed(paths: Paths, column: Column, scope: Scope) -> Value:
    found = paths.evaluate(parse(column.path), scope)
    wanted = elements.kind_of(column.type) if column.type else found.kind
    if found.kind == "decimal" and wanted == "string":
        found = paths.evaluate(parse(column.path), replace(scope, as_text=True))
        if not found.as_text:
            raise PathError("what is calculated has no text as sent", 1)
    if found.kind not in (*TEXTS, *_SQL_TYPES):
        raise PathError("the path gives an element with parts", 1, hint="name one of its parts")
    if not _fits(found.kind, wanted):
        raise PathError(f"the path gives {found.kind}, the column is {column.type}", 1)
    if column.is_collection:
        items = paths.items.listed(found)
        sql_type = f"{_sql_type(column, wanted)}[]"
        return found.like(f"coalesce(cast({items} as {sql_type}), [])", many=True, kind=wanted)
    one = paths.items.single(found)
    return one.like(_cast(one.sql, found, _sql_type(column, wanted)), kind=wanted)


def _sql_type(column: Column, kind: str) -> str:
    return "bigint" if column.type == "integer64" else _SQL_TYPES.get(kind, "varchar")


def _cast(sql: str, found: Value, sql_type: str) -> str:
    is_so = found.node is not None or _SQL_TYPES.get(found.kind, "varchar") == "varchar"
    if is_so and _SQL_TYPES.get(found.kind, "varchar") == sql_type:
        return sql
    return f"try_cast({sql} as {sql_type})"


def _fits(kind: str, wanted: str) -> bool:
    if wanted in (kind, "string"):
        return True
    return (kind in MOMENTS and wanted in MOMENTS) or (kind == "integer" and wanted == "decimal")


def no_value(column: Column) -> Value:
    """The column of no rows."""
    kind = elements.kind_of(column.type or "string")
    listed = "[]" if column.is_collection else ""
    return simple(f"cast(null as {_sql_type(column, kind)}{listed})", kind)


def output_of(made: Made) -> tuple[Output, str]:
    """What the rows offer, and the SQL of it."""
    column, value = made.column, made.value
    sql_type = _sql_type(column, value.kind) + ("[]" if column.is_collection else "")
    deciders = value.deciders - value.paths
    found = Output(column.name, sql_type, column.means, column.tags, value.paths, deciders)
    return found, value.sql
