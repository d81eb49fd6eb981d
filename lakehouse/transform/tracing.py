"""Reads in the SQL of a model where each of its columns comes from.

A leaf is a column of a stored table or of a code list, with the JSON path when the value was taken
out of JSON. Leaves pass through CTEs, sub-queries and views; what decides which rows there are
(joins, filters, groups) is INDIRECT and belongs to every column.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import sqlglot
from sqlglot import exp

from lakehouse.catalog.load import SOURCES, Catalog
from lakehouse.catalog.spec import Definition, Table, Write
from lakehouse.catalog.views import CURRENT
from lakehouse.errors import SpecError
from lakehouse.lineage.collect import EVERY, Edge
from lakehouse.transform.shapes import JSON_MACRO, shaped_paths

_INDEX = re.compile(r"\[[^\]]*\]")
_SEVERITY = {"IDENTITY": 0, "TRANSFORMATION": 1, "AGGREGATION": 2}


@dataclass(frozen=True, slots=True)
class _Leaf:
    source: str
    column: str | None
    path: str | None = None
    subtype: str = "IDENTITY"
    indirect: bool = False
    exact: bool = False


_Outputs = Mapping[str, frozenset[_Leaf]]


@dataclass(frozen=True, slots=True)
class _Relation:
    """What a relation offers: its columns, and the leaves that decide which rows it has."""

    columns: _Outputs
    rows: frozenset[_Leaf] = frozenset()
    tables: frozenset[str] = frozenset()


def trace(table: Table, catalog: Catalog) -> tuple[Edge, ...]:
    """All edges of the columns of a model or a view, the ones of EVERY column last; raises
    SpecError when its SQL names a column that nothing offers."""
    relation, texts, known = _followed(table, _Tracer(table, catalog))
    edges = [
        _edge(name, leaf, texts.get(name, ""))
        for name, leaves in relation.columns.items()
        for leaf in sorted(leaves, key=repr)
        if _exists(leaf, known)
    ]
    rows = sorted(relation.rows, key=repr)
    return (*edges, *(_edge(EVERY, leaf, "") for leaf in rows if _exists(leaf, known)))


def _followed(
    table: Table, tracer: "_Tracer"
) -> tuple[_Relation, Mapping[str, str], frozenset[str]]:
    """What a table is made of, the text of each of its columns, and the paths that it shapes."""
    if table.definition:
        return tracer.define(table, table.definition), {}, frozenset()
    query = _parse(table)
    return tracer.trace(query, {}), dict(_texts(query)), shaped_paths(query)


def constant_columns(table: Table, catalog: Catalog) -> set[str]:
    """The columns of a model that come from nothing it reads."""
    relation = _Tracer(table, catalog).trace(_parse(table), {})
    return {name for name, leaves in relation.columns.items() if not leaves}


def _edge(name: str, leaf: _Leaf, text: str) -> Edge:
    kind = "INDIRECT" if leaf.indirect else "DIRECT"
    how = "" if leaf.subtype == "IDENTITY" else text
    return Edge(name, leaf.source, leaf.column, leaf.path, kind, leaf.subtype, how)


def _exists(leaf: _Leaf, known: frozenset[str]) -> bool:
    """False for a path that only the union of several lists suggests."""
    return leaf.path is None or leaf.exact or _INDEX.sub("", leaf.path) in known


def _parse(table: Table) -> exp.Query:
    parsed = sqlglot.parse_one(table.sql, dialect="duckdb")
    if not isinstance(parsed, exp.Query):
        raise SpecError(f"{table.path}: it is not a SELECT")
    return parsed


def _texts(query: exp.Query) -> Iterator[tuple[str, str]]:
    for item in query.selects:
        yield item.alias_or_name, item.unalias().sql(dialect="duckdb")


class _Tracer:
    """Follows the columns of one file's SQL; views are followed by a tracer of their own."""

    def __init__(self, table: Table, catalog: Catalog) -> None:
        self._table = table
        self._catalog = catalog

    def trace(self, query: exp.Expr, names: Mapping[str, _Relation]) -> _Relation:
        if isinstance(query, exp.Subquery):
            return self.trace(query.this, names)
        known = dict(names)
        for cte in getattr(query, "ctes", ()):
            known[cte.alias] = self.trace(cte.this, known)
        if isinstance(query, exp.SetOperation):
            return self._union(query, known)
        if isinstance(query, exp.Select):
            return self._select(query, known)
        raise SpecError(f"{self._table.path}: lineage cannot follow {type(query).__name__}")

    def _union(self, query: exp.SetOperation, names: Mapping[str, _Relation]) -> _Relation:
        left, right = self.trace(query.left, names), self.trace(query.right, names)
        pairs = zip(left.columns.items(), right.columns.values(), strict=True)
        columns = {name: first | second for (name, first), second in pairs}
        return _Relation(columns, left.rows | right.rows, left.tables | right.tables)

    def _select(self, query: exp.Select, names: Mapping[str, _Relation]) -> _Relation:
        scope = self._scope(query, names)
        rows = frozenset().union(*(relation.rows for relation in scope.values()))
        tables = frozenset().union(*(relation.tables for relation in scope.values()))
        columns: dict[str, frozenset[_Leaf]] = {}
        for item in query.selects:
            if item.is_star:
                columns |= self._star(item, scope)
            else:
                seen = _Scope(self, scope, columns, tables, names)
                name = item.alias_or_name
                # an item without a name of its own, as in the second half of a union
                name = name if name and name not in columns else f"column {len(columns)}"
                columns[name] = seen.leaves(item.unalias())
        after = _Scope(self, scope, columns, tables, names)
        return _Relation(columns, rows | frozenset(_deciding(query, after)), tables)

    def _scope(self, query: exp.Select, names: Mapping[str, _Relation]) -> dict[str, _Relation]:
        scope: dict[str, _Relation] = {}
        sources = [query.args.get("from_") or query.args.get("from")]
        sources += query.args.get("joins") or []
        for source in filter(None, sources):
            self._add(source.this, scope, names)
            for lateral in source.this.args.get("joins") or []:
                self._add(lateral.this, scope, names)
        return scope

    def _add(
        self, source: exp.Expr, scope: dict[str, _Relation], names: Mapping[str, _Relation]
    ) -> None:
        if isinstance(source, exp.Table) and isinstance(source.this, exp.Identifier):
            relation = self._named(source, names)
        elif isinstance(source, exp.Subquery):
            relation = self.trace(source.this, {**names, **scope})
        else:
            relation = self._function(source, scope, names)
        alias = source.alias or source.name
        scope[alias] = _renamed(relation, source)

    def _function(
        self, source: exp.Expr, scope: dict[str, _Relation], names: Mapping[str, _Relation]
    ) -> _Relation:
        """A table function such as unnest(…) as t(item): each of its columns has its leaves."""
        inside = source.this if isinstance(source, exp.Lateral | exp.Table) else source
        outer = _Scope(self, scope, {}, frozenset(), names)
        leaves = outer.leaves(inside)
        listed = source.args.get("alias")
        columns = [column.name for column in listed.columns] if listed else []
        return _Relation(dict.fromkeys(columns or [source.alias or "unnest"], leaves))

    def _named(self, source: exp.Table, names: Mapping[str, _Relation]) -> _Relation:
        if not source.db:
            if source.name in names:
                return names[source.name]
            raise SpecError(f"{self._table.path}: it reads {source.name}, which is not a table")
        name = f"{source.db}.{source.name}"
        table = self._catalog.tables.get(name)
        if table is None:
            return _stored(name, self._code_columns(name))
        if table.definition:
            return self.define(table, table.definition)
        if table.write is Write.VIEW:
            return _Tracer(table, self._catalog).trace(_parse(table), {})
        return _stored(name, table.columns)

    def define(self, table: Table, definition: Definition) -> _Relation:
        """A ViewDefinition: the compiler knows exactly what each of its columns was read from."""
        below = self._named(exp.to_table(CURRENT), {})

        def leaves(told: Iterable[str], **more: Any) -> frozenset[_Leaf]:
            found: set[_Leaf] = set()
            for path in told:
                name, inside = ("resource", path) if path.startswith("$") else (path, None)
                found |= {replace(leaf, path=inside, **more) for leaf in below.columns[name]}
            return frozenset(found)

        own = {
            name: leaves(paths, subtype="TRANSFORMATION", exact=True)
            | leaves(definition.deciders[name], subtype="CONDITIONAL", exact=True, indirect=True)
            for name, paths in definition.paths.items()
        }
        columns = {n: own[n] if n in own else below.columns[n] for n in table.columns}
        rows = leaves(["resource_type"], subtype="FILTER", indirect=True) | below.rows
        rows |= leaves(definition.rows, subtype="FILTER", exact=True, indirect=True)
        return _Relation(columns, rows, below.tables)

    def _code_columns(self, name: str) -> list[str]:
        if name == SOURCES:
            return ["source", "zone"]
        lines = self._catalog.codes[name].read_text().splitlines()
        header = next(line for line in lines if not line.startswith("#"))
        return [column.strip() for column in header.split(",")]

    def _star(self, item: exp.Expr, scope: Mapping[str, _Relation]) -> _Outputs:
        wanted = item.table if isinstance(item, exp.Column) else ""
        found: dict[str, frozenset[_Leaf]] = {}
        for alias, relation in scope.items():
            if not wanted or wanted == alias:
                found |= relation.columns
        return found


@dataclass(frozen=True, slots=True)
class _Scope:
    """Where the names in an expression are looked up: sources first, then columns named before."""

    tracer: _Tracer
    sources: Mapping[str, _Relation]
    before: _Outputs
    tables: frozenset[str]
    names: Mapping[str, _Relation]

    def leaves(self, item: exp.Expr) -> frozenset[_Leaf]:
        """The leaves of an expression's value, with how they get into it."""
        passed = self._passed(item)
        if passed is not None:
            return passed
        if isinstance(item, exp.Count) and isinstance(item.this, exp.Star):
            return frozenset(_Leaf(t, None, None, "AGGREGATION") for t in self.tables)
        subtype = "AGGREGATION" if isinstance(item, exp.AggFunc) else "TRANSFORMATION"
        found = {_worse(leaf, subtype) for leaf in self._inside(item)}
        return frozenset(found)

    def _passed(self, item: exp.Expr) -> frozenset[_Leaf] | None:
        """Leaves of an expression that only hands a value on, or takes a part of it."""
        match item:
            case exp.Paren():
                found = self.leaves(item.this)
            case exp.Column():
                found = self._column(item)
            case exp.Dot():
                found = _below(self.leaves(item.this), f".{item.name}")
            case exp.Bracket():
                found = _below(self.leaves(item.this), _index(item))
            case exp.Unnest() | exp.Explode():
                inside = [self.leaves(part) for part in item.expressions or [item.this]]
                found = _below(frozenset().union(*inside), "[*]")
            case exp.Anonymous() if item.name == JSON_MACRO:
                opened = self.leaves(item.expressions[0])
                found = frozenset(replace(leaf, path="$") for leaf in opened)
            case _:
                return None
        return found

    def _inside(self, item: exp.Expr) -> Iterator[_Leaf]:
        bound = self._bound(item)
        for part in item.iter_expressions():
            if isinstance(part, exp.Query | exp.Subquery):
                inner = self.tracer.trace(part, {**self.names, **self.sources})
                yield from (leaf for leaves in inner.columns.values() for leaf in leaves)
                continue
            scope = replace(self, before={**self.before, **bound}) if bound else self
            is_condition = isinstance(item, exp.If) and part is item.this
            is_window = isinstance(item, exp.Window) and part is not item.this
            for leaf in scope.leaves(part):
                if is_condition or is_window:
                    yield replace(
                        leaf, indirect=True, subtype="CONDITIONAL" if is_condition else "WINDOW"
                    )
                else:
                    yield leaf

    def _bound(self, item: exp.Expr) -> _Outputs:
        """The parameters of a lambda have no leaves of their own: its list is beside it."""
        if not isinstance(item, exp.Lambda):
            return {}
        return dict.fromkeys((p.name for p in item.expressions), frozenset())

    def _column(self, item: exp.Column) -> frozenset[_Leaf]:
        parts = [part.name for part in item.parts]
        if len(parts) > 1 and parts[0] in self.sources:
            offered = self.sources[parts[0]].columns
            if parts[1] in offered:
                return _below(offered[parts[1]], _dotted(parts[2:]))
        for relation in self.sources.values():
            if parts[0] in relation.columns:
                return _below(relation.columns[parts[0]], _dotted(parts[1:]))
        if parts[0] in self.before:
            return _below(self.before[parts[0]], _dotted(parts[1:]))
        inside = isinstance(item.parent, exp.Lambda) or len(parts) == 1
        return self._unknown(parts[0] if inside else ".".join(parts))

    def _unknown(self, name: str) -> frozenset[_Leaf]:
        for relation in self.names.values():
            if name in relation.columns:
                return relation.columns[name]
        raise SpecError(f"{self.tracer._table.path}: lineage finds no column {name}")


def _deciding(query: exp.Select, scope: _Scope) -> Iterator[_Leaf]:
    """What decides which rows a SELECT has."""
    clauses: list[tuple[str, Iterable[exp.Expr]]] = [
        (
            "FILTER",
            [query.args[n].this for n in ("where", "having", "qualify") if query.args.get(n)],
        ),
        ("GROUP_BY", query.args["group"].expressions if query.args.get("group") else ()),
        ("JOIN", [j.args["on"] for j in query.args.get("joins") or () if j.args.get("on")]),
    ]
    for subtype, expressions in clauses:
        for expression in expressions:
            for leaf in scope.leaves(expression):
                yield replace(leaf, indirect=True, subtype=subtype)
    for join in query.args.get("joins") or ():
        for name in join.args.get("using") or ():
            for leaf in scope.leaves(exp.column(name.name)):
                yield replace(leaf, indirect=True, subtype="JOIN")


def _worse(leaf: _Leaf, subtype: str) -> _Leaf:
    if leaf.indirect or _SEVERITY[leaf.subtype] >= _SEVERITY[subtype]:
        return leaf
    return replace(leaf, subtype=subtype)


def _below(leaves: frozenset[_Leaf], part: str) -> frozenset[_Leaf]:
    if not part:
        return leaves
    return frozenset(
        leaf
        if not leaf.path or leaf.indirect or leaf.exact
        else replace(leaf, path=leaf.path + part)
        for leaf in leaves
    )


def _dotted(parts: list[str]) -> str:
    return "".join(f".{part}" for part in parts)


def _index(item: exp.Bracket) -> str:
    (inside,) = item.expressions
    if isinstance(inside, exp.Literal) and not inside.is_string:
        return f"[{inside.name}]"
    return f".{inside.name}" if isinstance(inside, exp.Literal) else "[*]"


def _stored(name: str, columns: Iterable[str]) -> _Relation:
    return _Relation({c: frozenset({_Leaf(name, c)}) for c in columns}, tables=frozenset({name}))


def _renamed(relation: _Relation, source: exp.Expr) -> _Relation:
    alias = source.args.get("alias")
    names = [column.name for column in alias.columns] if alias and alias.columns else []
    if not names:
        return relation
    renamed = dict(zip(names, relation.columns.values(), strict=False))
    return replace(relation, columns=renamed)
