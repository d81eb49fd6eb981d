"""A ViewDefinition as one SELECT over JSON texts.

The rows grow in steps, each a sub-query over the one before: read the resource into a struct, filter, then for every
forEach, repeat and unionAll unnest a list. Siblings multiply, as the standard says; a union unnests the numbers of its
branches, and what belongs to a branch stands behind CASE, so that one scan serves all of them.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from lakehouse.errors import SpecError
from lakehouse.viewdefinition import elements
from lakehouse.viewdefinition.paths import Paths, Scope
from lakehouse.viewdefinition.shape import Node
from lakehouse.viewdefinition.syntax import PathError, parse
from lakehouse.viewdefinition.value import COMPLEX, MOMENTS, TEXTS, Value, quoted, simple
from lakehouse.viewdefinition.view import Column, Select, View, read_view

ENVELOPE = ("source", "resource_id", "patient_id", "version_at", "version_basis", "_object", "_sequence", "_line")
"""Columns that a view in the lake offers beside its own: those of fhir.resource."""

_SQL_TYPES = {"boolean": "boolean", "integer": "integer", "decimal": "double"}


@dataclass(frozen=True, slots=True)
class Output:
    """One column of the rows: its SQL type, and the JSON paths that it is made of and decided by."""

    name: str
    sql_type: str
    means: str
    paths: frozenset[str]
    deciders: frozenset[str]


@dataclass(frozen=True, slots=True)
class Compiled:
    """A view ready to run: `sql` selects from `relation`; `rows` are the paths that decide which rows there are."""

    name: str
    resource: str
    means: str
    sql: str
    columns: tuple[Output, ...]
    rows: frozenset[str]
    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class _Made:
    """A column while the branches of unions are put together."""

    column: Column
    value: Value


@dataclass(slots=True)
class _Rows:
    """The steps so far; `rows` collects what decides which rows there are.

    `condition` is what the next list that is unnested waits for: as a WHERE it would be pushed below the step that
    reads the JSON, which would then be read twice.
    """

    paths: Paths
    sql: str
    rows: frozenset[str] = frozenset()
    condition: str = ""
    count: int = 0

    def step(self, *items: str) -> None:
        """Add columns to the rows so far."""
        self.sql = f"select *, {', '.join(items)}\nfrom ({self.sql})"

    def unnest(self, items: str, name: str, *, index: str = "") -> None:
        """Make a row of each item, with its place where a name for that is given."""
        if self.condition:
            items = f"case when {self.condition} then {items} end"
            self.condition = ""
        places = [f"unnest(range(len({items}))) as {index}"] if index else []
        self.step(f"unnest({items}) as {name}", *places)

    def only(self, condition: str) -> None:
        """Keep the rows that pass."""
        self.sql = f"select *\nfrom ({self.sql})\nwhere {condition}"

    def name(self, letter: str) -> str:
        """The name of a new column of a step."""
        self.count += 1
        return f"_{letter}{self.count}"


def compile_view(told: Any, relation: str = "resources", *, in_lake: bool = False) -> Compiled:
    """Compile a ViewDefinition, as JSON gives it, to SQL that selects from `relation`.

    The relation has a column `resource`, JSON texts as the lake keeps them: valid, without repeated keys. In the lake
    it is fhir.resource, keys are `<source>/<id>`, and the columns of ENVELOPE follow the view's own. Raises SpecError
    naming the column, the path and the place in it for what is wrong or not supported.
    """
    view = read_view(told)
    raw: set[str] = set()
    while True:
        paths = Paths(view.constants, in_lake, raw=set(raw))
        compiled = _compile(view, paths, relation)
        if paths.raw == raw:
            return compiled
        raw = set(paths.raw)


def _compile(view: View, paths: Paths, relation: str) -> Compiled:
    node = paths.root(view.resource, "$")
    root = Value("_r", COMPLEX, view.resource, node=node, clean=True, guarded=True)
    rows = _Rows(paths, "")
    scope = Scope(root)
    conditions = [_condition(paths, path, number, scope, rows) for number, path in enumerate(view.where)]
    rows.sql = _base(view, paths, relation, node)
    if not paths.in_lake:
        node.child("resourceType", "code", is_list=False)
        conditions = [f"_r.\"resourceType\" = '{view.resource}'", *conditions]
    rows.condition = " and ".join(conditions)
    made = list(_select(view.select, scope, rows, "resource", "true"))
    if rows.condition:
        rows.unnest("[0]", rows.name("f"))
    outputs = [_output(item) for item in made]
    listed = [f'{sql} as "{output.name}"' for output, sql in outputs]
    if paths.in_lake:
        own = {output.name.lower() for output, _ in outputs}
        listed += [name for name in ENVELOPE if name not in own]
    sql = f"select {', '.join(listed)}\nfrom ({rows.sql})"
    sql = sql.replace(_TEXT, _text(paths))
    return Compiled(
        view.name,
        view.resource,
        view.means,
        paths.finished(sql),
        tuple(output for output, _ in outputs),
        rows.rows,
        tuple(paths.roots),
    )


_TEXT = "\0text\0"
_WORD = re.compile(r"[A-Za-z_]\w*")


def _base(view: View, paths: Paths, relation: str, node: Node) -> str:
    struct = paths.opened(_TEXT, node)
    if paths.in_lake:
        return (
            f"select resource, {', '.join(ENVELOPE)}, {struct} as _r\n"
            f"from {relation} where resource_type = '{view.resource}'"
        )
    return f"select resource, {struct} as _r\nfrom {relation}"


def _text(paths: Paths) -> str:
    """The JSON text; numbers whose digits matter as sent are put in quotes first, since JSON readers drop zeros."""
    if not paths.exact:
        return "resource"
    keys = "|".join(sorted(paths.exact))
    pattern = rf'("(?:{keys})"\s*:\s*)(-?[0-9][0-9.eE+-]*)'
    return f"regexp_replace(resource, {quoted(pattern)}, '\\1\"\\2\"', 'g')"


def _condition(paths: Paths, path: str, number: int, scope: Scope, rows: _Rows) -> str:
    with _Place(paths, f"where[{number}]", path):
        found = paths.evaluate(parse(path), scope)
        if found.kind != "boolean":
            raise PathError("the path gives no boolean", 1)
        one = paths.single(found)
    rows.rows |= one.paths | one.deciders
    return f"coalesce({one.sql}, false)"


class _Place:
    """Says of what goes wrong inside in which column and path it is."""

    def __init__(self, paths: Paths, place: str, path: str) -> None:
        self._path = path
        self._place = place
        paths.place = place

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, PathError):
            where = f"path `{self._path}`, character {error.at}"
            raise SpecError(f"{self._place}: {error.message} ({where})", hint=error.hint) from None


def _select(select: Select, scope: Scope, rows: _Rows, text: str, active: str) -> Iterator[_Made]:
    """The columns of a select; what it loops over becomes steps. `text` is SQL of the focus as JSON, where known;
    `active` is true in the rows that belong to the branch we are in."""
    if select.each is not None:
        scope, text = _each(select, scope, rows, active)
    elif select.repeat and _is_nowhere(select, scope.this):
        rows.only("false" if active == "true" else f"not {active}")
        yield from (_Made(column, _nothing(column)) for column in select.all_columns())
        return
    elif select.repeat:
        scope, text = _repeat(select, scope, rows, text, active)
    for column in select.columns:
        with _Place(rows.paths, f"column {column.name}", column.path):
            yield _Made(column, _column(rows.paths, column, scope))
    for inner in select.selects:
        yield from _select(inner, scope, rows, text, active)
    if select.union:
        yield from _union(select, scope, rows, text, active)


def _column(paths: Paths, column: Column, scope: Scope) -> Value:
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
        items = paths.items(found)
        sql_type = f"{_sql_type(column, wanted)}[]"
        return found.like(f"coalesce(cast({items} as {sql_type}), [])", many=True, kind=wanted)
    one = paths.single(found)
    return one.like(_cast(one.sql, found, _sql_type(column, wanted)), kind=wanted)


def _sql_type(column: Column, kind: str) -> str:
    return "bigint" if column.type == "integer64" else _SQL_TYPES.get(kind, "varchar")


def _cast(sql: str, found: Value, sql_type: str) -> str:
    is_so = found.node is not None or _SQL_TYPES.get(found.kind, "varchar") == "varchar"
    if is_so and _SQL_TYPES.get(found.kind, "varchar") == sql_type:
        return sql
    return f"try_cast({sql} as {sql_type})"


def _fits(kind: str, wanted: str) -> bool:
    if kind == wanted or wanted == "string":
        return True
    return (kind in MOMENTS and wanted in MOMENTS) or (kind == "integer" and wanted == "decimal")


def _output(made: _Made) -> tuple[Output, str]:
    column, value = made.column, made.value
    sql_type = _sql_type(column, value.kind) + ("[]" if column.is_collection else "")
    return Output(column.name, sql_type, column.means, value.paths, value.deciders - value.paths), value.sql


def _each(select: Select, scope: Scope, rows: _Rows, active: str) -> tuple[Scope, str]:
    path = str(select.each)
    paths = rows.paths
    with _Place(paths, f"{select.place}.{'forEachOrNull' if select.or_null else 'forEach'}", path):
        found = paths.evaluate(parse(path), scope)
        if found.kind == "choice":
            raise PathError(f"which type has {found.type}?", 1, hint=f"{found.type}.ofType(…)")
        if select.repeats() and found.kind == COMPLEX and found.node and not found.node.raw:
            paths.raw.add(found.node.path)  # compiled anew, with the texts of these items at hand
    source = frozenset({found.node.path}) if found.node else found.paths
    rows.rows |= source | found.deciders
    is_counted = select.asks_index()
    late = found.many and found.kind == COMPLEX and not found.clean and not is_counted and not select.or_null
    items = found.sql if late else paths.items(found)
    name, index = _unnest(rows, items, active, or_null=select.or_null, is_counted=is_counted)
    if late and found.node:
        there = paths.present(name, found.node)
        rows.only(there if active == "true" else f"(not {active} or {there})")
    return _focus(found, name, index, rows)


def _unnest(rows: _Rows, items: str, active: str, *, or_null: bool, is_counted: bool) -> tuple[str, str]:
    if or_null:
        items = f"case when len({items}) > 0 then {items} else [null] end"
    if active != "true":
        items = f"case when {active} then {items} else [null] end"
    name = rows.name("e")
    if not is_counted:
        rows.unnest(items, name)
        return name, "0"
    index = rows.name("i")
    rows.unnest(items, name, index=index)
    return name, f"cast({index} as integer)"


def _focus(found: Value, name: str, index: str, rows: _Rows) -> tuple[Scope, str]:
    """The scope of an item that was unnested; one that is still text is read first."""
    item = Value(name, found.kind, found.type, node=found.node, guarded=True, paths=found.paths, as_text=found.as_text)
    item = replace(item, clean=True) if found.kind == COMPLEX else item
    if found.node is None or not found.node.raw:
        return Scope(item, index), ""
    inside = rows.paths.root(found.type, found.node.path)
    opened = rows.name("r")
    rows.step(f"{rows.paths.opened(name, inside)} as {opened}")
    return Scope(replace(item, sql=opened, node=inside), index), name


def _repeat(select: Select, scope: Scope, rows: _Rows, text: str, active: str) -> tuple[Scope, str]:
    if not text:
        text = "null"  # compiled anew once the focus is kept as text
    paths = rows.paths
    seeds, kind = _reached(select, scope.this, rows, text)
    again, same = seeds, kind
    if kind:
        item = Value("", COMPLEX, kind, guarded=True, clean=True)
        again, same = _reached(select, item, rows, "_w.item")
    if kind != same:
        raise SpecError(f"{select.place}.repeat: the paths do not lead from {kind} to {kind}")
    walk = (
        f"(with recursive _w as (select [_k] as place, _v as item from (select unnest({seeds}) as _v, "
        f"unnest(range(len({seeds}))) as _k) union all select list_append(_w.place, _k), _v from (select _w.place, "
        f"unnest({again}) as _v, unnest(range(len({again}))) as _k from _w) as _w) "
        "select list(item order by place) from _w)"
    )
    listed = rows.name("l")
    rows.step(f"{walk} as {listed}")
    name, index = _unnest(rows, listed, active, or_null=False, is_counted=select.asks_index())
    inside = paths.root(kind, f"$.{'|'.join(select.repeat)}[*]")
    opened = rows.name("r")
    rows.step(f"{paths.opened(name, inside)} as {opened}")
    focus = Value(opened, COMPLEX, kind, node=inside, clean=True, guarded=True)
    return Scope(focus, index), name


def _reached(select: Select, focus: Value, rows: _Rows, text: str) -> tuple[str, str]:
    """SQL of the list of texts that the repeated paths reach from a focus in one step, and their type."""
    paths = rows.paths
    kinds: set[str] = set()
    lists: list[str] = []
    for path in select.repeat:
        if _leads_nowhere(path, focus):
            continue
        with _Place(paths, f"{select.place}.repeat", path):
            root = paths.root(focus.type, focus.node.path if focus.node else "$")
            opened = replace(focus, sql=paths.opened(text, root), node=root, clean=True)
            found = paths.evaluate(parse(path), Scope(opened))
            if found.kind != COMPLEX or found.node is None or found.clean:
                raise PathError("repeat takes a path of elements with parts", 1)
            found.node.raw = True
            kinds.add(found.type)
            lists.append(f"coalesce({paths.items(found)}, [])")
            rows.rows |= {found.node.path}
    if len(kinds) > 1:
        raise SpecError(f"{select.place}.repeat: the paths lead to different types: {', '.join(sorted(kinds))}")
    return (f"list_concat({', '.join(lists)})" if len(lists) > 1 else lists[0]), kinds.pop()


def _is_nowhere(select: Select, focus: Value) -> bool:
    return all(_leads_nowhere(path, focus) for path in select.repeat)


def _leads_nowhere(path: str, focus: Value) -> bool:
    """True where a repeated path begins with an element that other types have, and the focus has not."""
    name = _WORD.match(path)
    return bool(name and elements.is_known(name[0]) and not elements.element(focus.type, name[0]))


def _nothing(column: Column) -> Value:
    """The column of no rows."""
    kind = elements.kind_of(column.type or "string")
    listed = "[]" if column.is_collection else ""
    return simple(f"cast(null as {_sql_type(column, kind)}{listed})", kind)


def _union(select: Select, scope: Scope, rows: _Rows, text: str, active: str) -> Iterator[_Made]:
    branch = rows.name("b")
    numbers = str(list(range(len(select.union))))
    if active != "true":
        numbers = f"case when {active} then {numbers} else [0] end"
    rows.unnest(numbers, branch)
    made = []
    for number, inner in enumerate(select.union):
        mine = f"{branch} = {number}" if active == "true" else f"({active} and {branch} = {number})"
        made.append(list(_select(inner, scope, rows, text, mine)))
    for columns in zip(*made, strict=True):
        yield _merged(select, columns, branch)


def _merged(select: Select, columns: tuple[_Made, ...], branch: str) -> _Made:
    first = columns[0]
    types = {(_output(made)[0].sql_type, made.value.kind in MOMENTS) for made in columns}
    if len({sql_type for sql_type, _ in types}) > 1:
        raise SpecError(f"{select.place}.unionAll: the column {first.column.name} differs in type")
    cases = " ".join(f"when {number} then {made.value.sql}" for number, made in enumerate(columns))
    value = simple(f"case {branch} {cases} end", first.value.kind, *(made.value for made in columns))
    return replace(first, value=value)


def shape_of(told: Mapping[str, Any]) -> str:
    """The ViewDefinition as text, the same for the same content."""
    return json.dumps(told, sort_keys=True, separators=(",", ":"))
