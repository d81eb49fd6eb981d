"""Lineage as a picture: tables or columns, what flows between them, and when it last did."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from lakehouse.catalog.load import Catalog
from lakehouse.lineage.collect import EVERY, Edge
from lakehouse.lineage.walk import Ancestor, find_column, walk_up
from lakehouse.state.store import Row, State

_EDGES = """
    select column_name, source, source_column, path, kind, subtype, how from edge
    where table_name = :name order by number"""
_BELOW = """
    select table_name, column_name, source, source_column, path, kind, subtype, how from edge
    where source = :name and (:column = '' or source_column = :column)
    order by table_name, number"""
_LAST = """
    select table_name, max(at) as at from version where is_maintenance = 0 group by table_name"""


@dataclass(frozen=True, slots=True)
class Node:
    """A table, or one column of it; `level` is 0 for what was asked, negative above it."""

    name: str
    table: str
    level: int


@dataclass(frozen=True, slots=True)
class Flow:
    """What comes from one node to another: how (as OpenLineage calls it), through which
    expressions, and when the target was last built."""

    source: str
    target: str
    kinds: tuple[str, ...]
    how: tuple[str, ...]
    is_direct: bool
    last_at: str | None


@dataclass(frozen=True, slots=True)
class Graph:
    """The nodes and flows around one table or column."""

    name: str
    nodes: tuple[Node, ...]
    flows: tuple[Flow, ...]


@dataclass(slots=True)
class _Drawing:
    levels: dict[str, int]
    tables: dict[str, str]
    flows: dict[tuple[str, str], list[Edge]] = field(default_factory=dict)

    def add(self, source: str, table: str, target: str, level: int, edge: Edge) -> None:
        """`level` is that of the end that is farther from what was asked."""
        far = source if level < 0 else target
        self.levels.setdefault(far, level)
        self.tables.setdefault(far, table)
        self.flows.setdefault((source, target), []).append(edge)


def ancestors(state: State, catalog: Catalog, name: str) -> list[Ancestor]:
    """What `lakehouse lineage` says of `layer.noun[.column]`, as the last builds told it.

    Raises SpecError for a name that nothing declares.
    """
    table, column = find_column(catalog, name)
    known: dict[str, Sequence[Edge]] = {}

    def edges(source: str) -> Sequence[Edge]:
        if source not in known:
            known[source] = [_edge(row) for row in state.ask(_EDGES, name=source)]
        return known[source]

    return walk_up(table.name, column, edges)


def draw_lineage(state: State, catalog: Catalog, name: str) -> Graph:
    """The graph around a table, or around one column of it: all above, and what is made of it.

    Raises SpecError for a name that nothing declares.
    """
    table, column = find_column(catalog, name)
    drawing = _Drawing({name: 0}, {name: table.name})
    for found in ancestors(state, catalog, name):
        _add_above(drawing, found, column)
    _add_below(drawing, state, table.name, column)
    if not column:
        _add_declared(drawing, catalog, table.name)
    last = {row["table_name"]: row["at"] for row in state.ask(_LAST)}
    nodes = (Node(n, drawing.tables[n], level) for n, level in drawing.levels.items())
    flows = (
        _flow(source, target, edges, last.get(drawing.tables[target]))
        for (source, target), edges in drawing.flows.items()
    )
    return Graph(name, tuple(nodes), tuple(flows))


def _add_above(drawing: _Drawing, found: Ancestor, column: str) -> None:
    edge = found.edge
    if not column:
        if edge.source != found.table:
            drawing.add(edge.source, edge.source, found.table, -1 - found.depth, edge)
        return
    if edge.column == EVERY:
        return  # what decides which rows there are is the same for all columns: the table shows it
    target = f"{found.table}.{edge.column}"
    source = f"{edge.source}.{edge.source_column}" if edge.source_column else edge.source
    if target in drawing.levels and source != target:
        drawing.add(source, edge.source, target, -1 - found.depth, edge)


def _add_below(drawing: _Drawing, state: State, table: str, column: str) -> None:
    """Walk down through what is taken over; the rest ends where it is met."""
    waiting = [(1, table, column)]
    done: set[tuple[str, str]] = set()
    while waiting:
        level, source, wanted = waiting.pop(0)
        if (source, wanted) in done:
            continue
        done.add((source, wanted))
        for row in state.ask(_BELOW, name=source, column=wanted):
            if column and (row["column_name"] == EVERY or not row["source_column"]):
                continue
            target = f"{row['table_name']}.{row['column_name']}" if column else row["table_name"]
            drawing.add(
                f"{source}.{wanted}" if column else source, row["table_name"], target, level,
                _edge(row),
            )  # fmt: skip
            if row["kind"] == "DIRECT":
                waiting.append((level + 1, row["table_name"], row["column_name"] if column else ""))


def _add_declared(drawing: _Drawing, catalog: Catalog, name: str) -> None:
    """What a view reads and is read by, of which no run tells: it is declared."""
    for read in catalog.table(name).reads:
        if not any(target == name for _, target in drawing.flows) or name.startswith("fhir."):
            drawing.add(read, read, name, -1, _DECLARED)
    for table in catalog.tables.values():
        if name in table.reads and (name, table.name) not in drawing.flows:
            drawing.add(name, table.name, table.name, 1, _DECLARED)


_DECLARED = Edge(EVERY, "", None, None, "DIRECT", "DECLARED")


def _flow(source: str, target: str, edges: Iterable[Edge], last_at: str | None) -> Flow:
    told = list(edges)
    kinds: Mapping[str, None] = dict.fromkeys(edge.subtype for edge in told)
    ways = (" ".join(filter(None, (edge.path, " ".join(edge.how.split())))) for edge in told)
    return Flow(
        source,
        target,
        tuple(kinds),
        tuple(dict.fromkeys(filter(None, ways))),
        any(edge.kind == "DIRECT" for edge in told),
        last_at,
    )


def _edge(row: Row) -> Edge:
    return Edge(
        row["column_name"], row["source"], row["source_column"], row["path"], row["kind"],
        row["subtype"], row["how"],
    )  # fmt: skip
