"""The way up from a column to where its values enter the lake, whoever tells the edges."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lakehouse.catalog.load import Catalog
from lakehouse.catalog.spec import Table
from lakehouse.errors import SpecError
from lakehouse.lineage.collect import EVERY, Edge

Edges = Callable[[str], Sequence[Edge]]
"""The edges of all columns of a table; none for one that nothing is known of."""


@dataclass(frozen=True, slots=True)
class Ancestor:
    """One edge on the way up; `depth` counts the models between it and what was asked for."""

    depth: int
    table: str
    edge: Edge


def find_column(catalog: Catalog, name: str) -> tuple[Table, str]:
    """The table of `layer.noun` or `layer.noun.column`, and the column, empty where none is named;
    raises SpecError when nothing declares them."""
    layer, _, rest = name.partition(".")
    noun, _, column = rest.partition(".")
    table = catalog.table(f"{layer}.{noun}")
    if column and column not in table.columns:
        raise SpecError(f"{table.name} has no column {column}")
    return table, column


def walk_up(table: str, column: str, edges: Edges) -> list[Ancestor]:
    """All edges above a column, or above all columns of a table where none is named; nearest first
    and each once."""
    found: list[Ancestor] = []
    waiting = [(0, table, column)]
    done: set[tuple[str, Edge | str]] = set()
    while waiting:
        depth, current, wanted = waiting.pop(0)
        if (current, wanted) in done:
            continue
        done.add((current, wanted))
        for edge in _of(edges(current), wanted):
            # what decides the rows of a table decides them for all its columns: told once
            if (current, edge) in done:
                continue
            done.add((current, edge))
            found.append(Ancestor(depth, current, edge))
            if edge.kind == "DIRECT" and edge.source_column:
                waiting.append((depth + 1, edge.source, edge.source_column if wanted else ""))
    return found


def _of(edges: Sequence[Edge], column: str) -> list[Edge]:
    return [edge for edge in edges if not column or edge.column in (column, EVERY)]
