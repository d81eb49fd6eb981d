"""The lineage of a table or a column, walked up to where its values enter the lake."""

from collections.abc import Sequence

from lakehouse.catalog.load import Catalog
from lakehouse.lineage.collect import Edge
from lakehouse.lineage.walk import Ancestor, find_column, walk_up
from lakehouse.transform.columns import trace_columns

__all__ = ["Ancestor", "ancestors"]


def ancestors(catalog: Catalog, name: str) -> list[Ancestor]:
    """All edges above `layer.noun` or `layer.noun.column`, nearest first and each once.

    Raises SpecError for a name that nothing declares.
    """
    table, column = find_column(catalog, name)
    return walk_up(table.name, column, lambda source: _edges(catalog, source))


def _edges(catalog: Catalog, name: str) -> Sequence[Edge]:
    table = catalog.tables.get(name)
    return trace_columns(table, catalog) if table and table.sql else ()
