"""What a process has ready before work is forked from it, so that no fork loads it anew.

Modules and declarations; no connection and no engine, for neither survives a fork.
A fork ends with `os._exit`, as those of Airflow and `multiprocessing` do: DuckDB opens a connection
of its own when it is imported, and at a normal exit waits for a thread that the fork has not.
"""

from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import lakehouse
from lakehouse.catalog.load import Catalog
from lakehouse.settings import Settings

_PACKAGES = ("catalog", "govern", "ingest", "lineage", "objects", "state", "storage", "transform")
# what these import when they first need it, and then each time in a fork
_LATER = (
    "minio", "pyarrow.dataset", "sqlglot.dialects.duckdb", "sqlglot.optimizer.qualify", "structlog",
)  # fmt: skip


def warm(settings: Settings) -> None:
    """Load what work on a lake needs: about a second of CPU, once instead of in each fork.

    Raises SpecError when a declaration cannot be read: all else is loaded then.
    """
    for package in _PACKAGES:
        folder = Path(lakehouse.__path__[0], package)
        for module in walk_packages([str(folder)], f"lakehouse.{package}."):
            import_module(module.name)
    for name in _LATER:
        import_module(name)
    Catalog.of(settings)
