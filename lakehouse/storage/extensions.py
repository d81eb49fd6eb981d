"""The engine's extensions: files of installed packages. Their signature is checked once a file."""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb_extension_delta
import duckdb_extension_httpfs

from lakehouse.errors import StoreError

_CHECKED = "checked-extensions.json"

_checked: set[str] = set()
"""The same for this process, whatever lake it works on."""


def find_extensions(*, with_http: bool) -> list[Path]:
    """What an engine needs to read Delta tables in a folder, or at a server."""
    delta = _find(duckdb_extension_delta, "delta")
    return [_find(duckdb_extension_httpfs, "httpfs"), delta] if with_http else [delta]


def are_checked(home: Path, paths: Sequence[Path]) -> bool:
    """Whether these very files passed before: DuckDB then need not hash them, which takes a third
    of a second of each process.

    Who can change one of them unseen can change Python's own files, which nobody checks.
    """
    files = {_identity(path) for path in paths}
    return files <= _checked or files <= _read(home)


def remember_checked(home: Path, paths: Sequence[Path]) -> None:
    """Write down that DuckDB took these files, signature and all."""
    files = {_identity(path) for path in paths}
    _checked.update(files)
    try:
        with tempfile.NamedTemporaryFile("w", dir=home, delete=False) as part:
            json.dump(sorted(files), part)
        Path(part.name).replace(home / _CHECKED)
    except OSError as error:
        raise StoreError(f"nothing can be written to LAKEHOUSE_HOME: {error.strerror}") from None


def _read(home: Path) -> set[str]:
    try:
        return set(json.loads((home / _CHECKED).read_bytes()))
    except (OSError, ValueError, TypeError):
        return set()


def _identity(path: Path) -> str:
    """What changes when a file is replaced or written to; the last of it cannot be set."""
    is_ = path.stat()
    return f"{path} {is_.st_dev} {is_.st_ino} {is_.st_size} {is_.st_mtime_ns} {is_.st_ctime_ns}"


def _find(package: Any, name: str) -> Path:
    (found,) = Path(package.__file__).parent.glob(f"extensions/*/{name}.duckdb_extension")
    return found
