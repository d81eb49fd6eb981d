"""What a process that others are forked from has ready: modules, and no thread of any engine."""

from pathlib import Path

import duckdb_extension_delta

import tests.guillotine
import tests.workbench  # noqa: F401
from lakehouse.catalog.load import Catalog
from lakehouse.settings import PROJECT
from lakehouse.storage import engine

# each engine of a forked process would hash the extension's signature anew, a third of a second
engine._checked.update(
    Path(duckdb_extension_delta.__file__).parent.glob("extensions/*/delta.duckdb_extension")
)
# and each lake would read all declarations anew
Catalog.read([PROJECT / "sql"], PROJECT / "dags" / "feeds.toml")
