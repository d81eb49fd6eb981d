"""Where each column of a model comes from: read from its SQL once, and kept."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from lakehouse.catalog.kept import code_digest, named
from lakehouse.catalog.load import Catalog
from lakehouse.catalog.spec import Table
from lakehouse.lineage.collect import EVERY, Edge

__all__ = ["EVERY", "trace_columns"]

_traced: dict[str, tuple[Edge, ...]] = {}


def trace_columns(table: Table, catalog: Catalog) -> tuple[Edge, ...]:
    """All edges of the columns of a model or a view, the ones of EVERY column last; raises
    SpecError when its SQL names a column that nothing offers."""
    # parsing takes longer than building a small table; what is parsed seldom changes
    reads = [(read.name, read.columns) for read in catalog.stored_reads(table)]
    name = named(table.name, catalog.fingerprint(table), reads, _code())
    if name not in _traced:
        _traced[name] = _kept(name, table, catalog)
    return _traced[name]


def _kept(name: str, table: Table, catalog: Catalog) -> tuple[Edge, ...]:
    found = catalog.kept.get("edges", name, tuple[Edge, ...]) if catalog.kept else None
    if found is None:
        # what parses SQL takes longer to load than to follow the edges of a model
        from lakehouse.transform.tracing import trace

        found = trace(table, catalog)
        if catalog.kept:
            catalog.kept.put("edges", name, found)
    return found


@cache
def _code() -> str:
    """A hash of what reads the SQL: this package's part in it, and the parser's version."""
    here = Path(__file__).parent
    parser = find_spec("sqlglot")
    version = Path(parser.origin or "").with_name("_version.py") if parser else here
    return code_digest(here / "tracing.py", here / "shapes.py", version)
