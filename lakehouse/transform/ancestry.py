"""The lineage of a table or a column, walked up to where its values enter the lake."""

from dataclasses import dataclass

from lakehouse.catalog.load import Catalog
from lakehouse.catalog.spec import Table
from lakehouse.errors import SpecError
from lakehouse.lineage.collect import Edge
from lakehouse.transform.columns import EVERY, trace_columns


@dataclass(frozen=True, slots=True)
class Ancestor:
    """One edge on the way up; `depth` counts the models between it and what was asked for."""

    depth: int
    table: str
    edge: Edge


def ancestors(catalog: Catalog, name: str) -> list[Ancestor]:
    """All edges above `layer.noun` or `layer.noun.column`, nearest first and each once.

    Raises SpecError for a name that nothing declares.
    """
    layer, _, rest = name.partition(".")
    noun, _, column = rest.partition(".")
    table = catalog.table(f"{layer}.{noun}")
    if column and column not in table.columns:
        raise SpecError(f"{table.name} has no column {column}")
    found: list[Ancestor] = []
    waiting = [(0, table, column)]
    done: set[tuple[str, Edge | str]] = set()
    while waiting:
        depth, current, wanted = waiting.pop(0)
        if (current.name, wanted) in done:
            continue
        done.add((current.name, wanted))
        for edge in _edges(catalog, current, wanted):
            # what decides the rows of a table decides them for all its columns: told once
            if (current.name, edge) in done:
                continue
            done.add((current.name, edge))
            found.append(Ancestor(depth, current.name, edge))
            source = catalog.tables.get(edge.source)
            if source and edge.kind == "DIRECT" and edge.source_column:
                waiting.append((depth + 1, source, edge.source_column if wanted else ""))
    return found


def _edges(catalog: Catalog, table: Table, column: str) -> list[Edge]:
    if not table.sql:
        return []
    edges = trace_columns(table, catalog)
    return [edge for edge in edges if not column or edge.column in (column, EVERY)]
