"""The rows of a view: what its selects loop over, as steps of SQL.

Each step is a sub-query over the one before. Siblings multiply, as the standard says; a union
unnests the numbers of its branches, and what belongs to a branch stands behind CASE, so that one
scan serves all of them.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from lakehouse.errors import SpecError
from lakehouse.viewdefinition import elements
from lakehouse.viewdefinition.columns import Made, Place, column_value, no_value, output_of
from lakehouse.viewdefinition.items import SEVERAL
from lakehouse.viewdefinition.paths import Paths
from lakehouse.viewdefinition.syntax import PathError, parse
from lakehouse.viewdefinition.value import (
    CHOICE,
    COMPLEX,
    MOMENTS,
    Scope,
    Value,
    is_plain,
    simple,
)
from lakehouse.viewdefinition.view import Select

_WORD = re.compile(r"[A-Za-z_]\w*")

_NONE = "cast([] as json[])"

_NEVER = "starts_with(resource, '}')"
"""False of any object. With what is false of itself no row would be made at all."""


@dataclass(slots=True)
class Rows:
    """The steps so far; `rows` collects what decides which rows there are.

    `condition` is what the next list that is unnested waits for: as a WHERE it would be pushed
    below the step that reads the JSON, which would then be read twice. `is_sifted` where that may
    leave out many of the resources. `lasting` are the places of selects that make a row also of
    nothing, and `leaving` tells those rows from the others once all has been looped over.
    """

    paths: Paths
    sql: str
    rows: frozenset[str] = frozenset()
    condition: str = ""
    is_sifted: bool = False
    lasting: frozenset[str] = frozenset()
    leaving: list[str] = field(default_factory=list)
    count: int = 0

    def step(self, *items: str) -> None:
        """Add columns to the rows so far."""
        self.work_out()
        self.sql = f"select *, {', '.join(items)}\nfrom ({self.sql})"

    def work_out(self) -> None:
        """Add the values that paths name more than once."""
        for layer in self.paths.items.names.layers():
            told = ", ".join(f"{sql} as {name}" for name, sql in layer.items())
            self.sql = f"select *, {told}\nfrom ({self.sql})"

    def unnest(self, items: str, name: str, *, index: str = "") -> None:
        """Make a row of each item, with its place where a name for that is given."""
        if self.condition:
            items = f"case when {self.condition} then {items} end"
            self.condition = ""
        places = [f"unnest(range(len({items}))) as {index}"] if index else []
        self.step(f"unnest({items}) as {name}", *places)

    def settled(self, value: Value, active: str, place: str) -> Value:
        """A column that fails on several values does so in every row of the select at its place,
        also where what follows leaves none of it."""
        if not self.fails(value, place):
            return value
        conditions = [one for one in (self.condition, active) if one not in ("", "true")]
        sql = value.sql
        if conditions:
            sql = f"case when {' and '.join(conditions)} then {sql} end"
        name = self.name("c")
        self.step(f"{sql} as {name}")
        return value.like(name)

    def fails(self, value: Value, place: str) -> bool:
        """True for a value that fails on several, which is noted of its place."""
        if SEVERAL not in value.sql:
            return False
        self.paths.items.failing.add(place)
        return True

    def kept(self, columns: Mapping[int, Made]) -> dict[int, Made]:
        """The same columns worked out now, while there is one row of each focus: what is unnested
        later repeats their values, not what they are made of."""
        names = {key: self.name("k") for key, made in columns.items() if not is_plain(made.sql)}
        if names:
            self.step(*(f"{columns[key].sql} as {name}" for key, name in names.items()))
        return {key: made.like(names.get(key, made.sql)) for key, made in columns.items()}

    def only(self, condition: str) -> None:
        """Keep the rows that pass."""
        self.work_out()
        self.sql = f"select *\nfrom ({self.sql})\nwhere {condition}"

    def leave(self, there: str, active: str) -> None:
        """Keep the rows that pass once all has been looped over, of those that are active."""
        self.leaving.append(there if active == "true" else f"(not {active} or {there})")

    def left(self) -> None:
        """Leave out the rows that were made of nothing."""
        waiting = [self.condition] if self.condition else []
        self.condition = " and ".join([*waiting, *self.leaving])
        if self.condition:
            self.unnest("[0]", self.name("f"))
        self.work_out()

    def name(self, letter: str) -> str:
        """The name of a new column of a step."""
        self.count += 1
        return f"_{letter}{self.count}"


def select_rows(
    select: Select,
    scope: Scope,
    rows: Rows,
    text: str,
    active: str,
    ready: Mapping[int, Made] | None = None,
) -> Iterator[Made]:
    """The columns of a select; what it loops over becomes steps.

    `text` is SQL of the focus as JSON, where that is known; `active` is true in the rows that
    belong to the branch we are in; `ready` are the columns that the select around has made for this
    one.
    """
    if select.repeat and _is_nowhere(select, scope.this):
        rows.leave(_NEVER, active)
        yield from (Made(column, no_value(column)) for column in select.all_columns())
        return
    if select.iterates:
        scope, text, active = _items(select, scope, rows, text, active)
    if ready is None or select.iterates:
        ready = dict(_columns(select, scope, rows, active, select.place))
        if select.multiplies() and not rows.is_sifted:
            ready = rows.kept(ready)
    yield from (ready[id(column)] for column in select.columns)
    for inner in select.selects:
        yield from select_rows(inner, scope, rows, text, active, ready)
    if select.union:
        yield from _union(select, scope, rows, text, active)


def _columns(
    select: Select, scope: Scope, rows: Rows, active: str, place: str
) -> Iterator[tuple[int, Made]]:
    """All columns of one focus, that of the select at a place, before anything below is looped
    over."""
    for column in select.columns:
        with Place(rows.paths, f"column {column.name}", column.path):
            value = column_value(rows.paths, column, scope)
        yield id(column), Made(column, rows.settled(value, active, place))
    for inner in select.selects:
        if not inner.iterates:
            yield from _columns(inner, scope, rows, active, place)


def _items(
    select: Select, scope: Scope, rows: Rows, text: str, active: str
) -> tuple[Scope, str, str]:
    """Scope, text and what is active in the rows of the items that a select loops over."""
    if select.each is not None:
        scope, text = _each(select, scope, rows, active)
    else:
        scope, text = _repeat(select, scope, rows, text, active)
    is_null = select.or_null or select.place in rows.lasting
    return scope, text, scope.there if is_null else active


def _each(select: Select, scope: Scope, rows: Rows, active: str) -> tuple[Scope, str]:
    paths = rows.paths
    found = _looped(select, scope, rows)
    if select.repeats() and found.kind == COMPLEX and found.node and not found.node.raw:
        paths.items.raw.add(found.node.path)  # compiled anew, with the texts of these items at hand
    source = frozenset({found.node.path}) if found.node else found.paths
    rows.rows |= source | found.deciders
    rows.fails(found, select.place)
    or_null = select.or_null or select.place in rows.lasting
    is_counted = select.asks_index()
    late = (
        found.many
        and found.kind == COMPLEX
        and not found.clean
        and not is_counted
        and not or_null
        and not paths.items.is_sparse(found)
    )
    items = found.sql if late else paths.items.listed(found)
    name, index = _unnest(rows, items, active, or_null=or_null, is_counted=is_counted)
    if late and found.node:
        there = paths.items.present(name, found.node)
        rows.only(there if active == "true" else f"(not {active} or {there})")
    inside, text = _focus(found, name, index, rows)
    there = f"({name} is not null)" if or_null else scope.there
    if or_null and not select.or_null:
        rows.leave(there, active)
    return replace(inside, there=there, counted=scope.there), text


def _looped(select: Select, scope: Scope, rows: Rows) -> Value:
    """What a select loops over."""
    path = str(select.each)
    place = f"{select.place}.{'forEachOrNull' if select.or_null else 'forEach'}"
    with Place(rows.paths, place, path):
        found = rows.paths.evaluate(parse(path), scope)
        if found.kind == CHOICE:
            raise PathError(f"which type has {found.type}?", 1, hint=f"{found.type}.ofType(…)")
    return found


def _unnest(
    rows: Rows, items: str, active: str, *, or_null: bool, is_counted: bool
) -> tuple[str, str]:
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


def _focus(found: Value, name: str, index: str, rows: Rows) -> tuple[Scope, str]:
    """The scope of an item that was unnested; one that is still text is read first."""
    item = Value(
        name,
        found.kind,
        found.type,
        node=found.node,
        guarded=True,
        paths=found.paths,
        as_text=found.as_text,
    )
    item = replace(item, clean=True) if found.kind == COMPLEX else item
    if found.node is None or not found.node.raw:
        return Scope(item, index), ""
    inside = rows.paths.items.root(found.type, found.node.path)
    opened = rows.name("r")
    rows.step(f"{rows.paths.items.opened(name, inside)} as {opened}")
    return Scope(replace(item, sql=opened, node=inside), index), name


def _repeat(select: Select, scope: Scope, rows: Rows, text: str, active: str) -> tuple[Scope, str]:
    if not text:
        text = "null"  # compiled anew once the focus is kept as text
    paths = rows.paths
    seeds, kind = _reached(select, scope.this, rows, text)
    again, same = seeds, kind
    if kind:
        item = Value("", COMPLEX, kind, guarded=True, clean=True)
        again, same = _reached(select, item, rows, "_w.item")
    if same not in ("", kind):
        raise SpecError(f"{select.place}.repeat: the paths do not lead from {kind} to {kind}")
    walk = (
        f"(with recursive _w as (select [_k] as place, _v as item from ({_numbered(seeds)}) "
        "union all select list_append(_w.place, _k), _v from "
        f"({_numbered(again, '_w.place')} from _w) as _w) select list(item order by place) from _w)"
    )
    listed = rows.name("l")
    rows.step(f"{walk} as {listed}")
    is_lasting = select.place in rows.lasting
    name, index = _unnest(rows, listed, active, or_null=is_lasting, is_counted=select.asks_index())
    # at any depth: JSON paths say so with two dots
    inside = paths.items.root(kind, f"$..{select.repeat[0].rpartition('.')[2]}[*]")
    opened = rows.name("r")
    rows.step(f"{paths.items.opened(name, inside)} as {opened}")
    focus = Value(opened, COMPLEX, kind, node=inside, clean=True, guarded=True)
    there = f"({name} is not null)" if is_lasting else scope.there
    if is_lasting:
        rows.leave(there, active)
    return Scope(focus, index, there=there, counted=scope.there), name


def _numbered(items: str, *columns: str) -> str:
    """SQL that makes a row of each item of a list, with its place."""
    listed = [*columns, f"unnest({items}) as _v", f"unnest(range(len({items}))) as _k"]
    return f"select {', '.join(listed)}"


def _reached(select: Select, focus: Value, rows: Rows, text: str) -> tuple[str, str]:
    """SQL of the list of texts that the repeated paths reach from a focus in one step, and their
    type; that is empty where they lead nowhere."""
    paths = rows.paths
    kinds: set[str] = set()
    lists: list[str] = []
    for path in select.repeat:
        if _leads_nowhere(path, focus):
            continue
        with Place(paths, f"{select.place}.repeat", path):
            root = paths.items.root(focus.type, focus.node.path if focus.node else "$")
            opened = replace(focus, sql=paths.items.opened(text, root), node=root, clean=True)
            found = paths.evaluate(parse(path), Scope(opened))
            if found.kind != COMPLEX or found.node is None or found.node is root:
                raise PathError("repeat takes a path of elements with parts", 1)
            paths.items.raw.add(found.node.path)  # compiled anew, with these items as texts
            kinds.add(found.type)
            lists.append(f"coalesce({paths.items.listed(found)}, [])")
            rows.rows |= {found.node.path}
    if len(kinds) > 1:
        raise SpecError(
            f"{select.place}.repeat: the paths lead to different types: {', '.join(sorted(kinds))}"
        )
    if not lists:
        return _NONE, ""
    return (f"list_concat({', '.join(lists)})" if len(lists) > 1 else lists[0]), kinds.pop()


def _is_nowhere(select: Select, focus: Value) -> bool:
    return all(_leads_nowhere(path, focus) for path in select.repeat)


def _leads_nowhere(path: str, focus: Value) -> bool:
    """True where a repeated path begins with an element that other types have, and the focus has
    not."""
    name = _WORD.match(path)
    return bool(name and elements.is_known(name[0]) and not elements.element(focus.type, name[0]))


def _union(select: Select, scope: Scope, rows: Rows, text: str, active: str) -> Iterator[Made]:
    ready: dict[int, Made] = {}
    for inner in select.union:
        if not inner.iterates and not rows.is_sifted:
            ready |= dict(_columns(inner, scope, rows, active, inner.place))
    ready = rows.kept(ready)
    branch = rows.name("b")
    numbers = _branches(select, scope, rows)
    if active != "true":
        numbers = f"case when {active} then {numbers} else [0] end"
    rows.unnest(numbers, branch)
    made = []
    for number, inner in enumerate(select.union):
        mine = f"{branch} = {number}" if active == "true" else f"({active} and {branch} = {number})"
        own = ready if any(id(column) in ready for column in inner.all_columns()) else None
        made.append(list(select_rows(inner, scope, rows, text, mine, own)))
    for columns in zip(*made, strict=True):
        yield _merged(select, columns, branch)


def _branches(select: Select, scope: Scope, rows: Rows) -> str:
    """SQL of the list of branches that may have rows: one that loops over a list which is at hand
    and empty has none."""
    waits = {}
    for number, inner in enumerate(select.union):
        if inner.each is not None and not inner.or_null and inner.place not in rows.lasting:
            found = _looped(inner, scope, rows)
            if found.many and is_plain(found.sql):
                waits[number] = f"coalesce(len({found.sql}), 0) > 0"
    numbers = list(range(len(select.union)))
    if not waits:
        return str(numbers)
    return f"list_where({numbers}, [{', '.join(waits.get(n, 'true') for n in numbers)}])"


def _merged(select: Select, columns: tuple[Made, ...], branch: str) -> Made:
    first = columns[0]
    types = {(output_of(made)[0].sql_type, made.value.kind in MOMENTS) for made in columns}
    if len({sql_type for sql_type, _ in types}) > 1:
        raise SpecError(f"{select.place}.unionAll: the column {first.column.name} differs in type")
    cases = " ".join(f"when {number} then {made.value.sql}" for number, made in enumerate(columns))
    value = simple(
        f"case {branch} {cases} end", first.value.kind, *(made.value for made in columns)
    )
    return replace(first, value=value)
