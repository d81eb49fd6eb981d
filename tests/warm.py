"""What a process that others are forked from has ready: modules, and no thread of any engine."""

import gc
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import pyarrow.dataset  # noqa: F401  deltalake asks for it when it writes
import pytest  # noqa: F401

import lakehouse
import tests.guillotine  # noqa: F401
from lakehouse.catalog.load import Catalog
from lakehouse.settings import PROJECT
from lakehouse.storage import extensions
from lakehouse.transform.columns import trace_columns
from tests.workbench import REACHED

CORE = ("catalog", "ingest", "transform", "govern", "storage", "lineage")

# each forked process would import anew what its work needs, a third of a second
for package in CORE:
    place = Path(lakehouse.__path__[0], package)
    for module in walk_packages([str(place)], f"lakehouse.{package}."):
        import_module(module.name)
# each engine of a forked process would hash the extension anew, another third
extensions._checked.update(map(extensions._identity, extensions.find_extensions(with_http=True)))
# and each lake would read all declarations anew, and each build where its columns come from
declared = Catalog.read([PROJECT / "sql"], PROJECT / "dags" / "feeds.toml")
for name in REACHED:
    trace_columns(declared.table(name), declared)
# what is shared with a forked process stays so: its collector writes to no page of it
gc.freeze()
