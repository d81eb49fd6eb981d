"""One DuckDB connection within a share of the machine. The only importer of DuckDB."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from weakref import finalize

import duckdb
import pyarrow as pa

from lakehouse.errors import PolicyError, SpecError, StoreError
from lakehouse.settings import Settings
from lakehouse.viewdefinition.items import SEVERAL

_BATCH_ROWS = 8_192
"""Who writes a stream holds some batches of it at once."""
_THREAD_MIB = 128
"""What a thread of the engine needs for the widest of the models (measured: silver.observation runs
out of less, with one thread or with two)."""
_CARET = re.compile(r"^LINE (\d+): (.*)\n( *)\^", re.M)
_SEVERAL = re.compile(rf"Invalid Input Error: ([\w.\[\]]+(?: \w+)?: {SEVERAL})")
"""What a view says of a path that gives several values: its own names, and none of a patient."""


class Session:
    """One DuckDB connection within a share of the machine; it reads what it is shown."""

    def __init__(
        self,
        settings: Settings,
        *,
        threads: int | None = None,
        is_ordered: bool = False,
        allow_unsigned: bool = False,
    ) -> None:
        with clean_errors():
            self.spill = _private_folder(settings.home / "spill")
        self._removal = finalize(self, shutil.rmtree, self.spill, ignore_errors=True)
        # the other half of the slot is for Python, Arrow and the writing of Delta
        memory = settings.slot_memory_bytes // 2 // 2**20
        most = max(1, min(os.cpu_count() or 1, 4, memory // _THREAD_MIB))
        self._db = duckdb.connect(
            config={
                "memory_limit": f"{memory}MiB",
                "threads": threads or most,
                # else it keeps for good what it once took, of which others have need
                "allocator_background_threads": True,
                "temp_directory": str(self.spill),
                "preserve_insertion_order": is_ordered,
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "allow_unsigned_extensions": allow_unsigned,
            }
        )
        self.execute("set timezone = 'UTC'")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give back memory and spilled bytes."""
        self._db.close()
        self._removal()

    def execute(self, sql: str, values: Mapping[str, Any] | None = None) -> None:
        """Run a statement for its effect."""
        with clean_errors():
            self._run(sql, values)

    def table(self, sql: str, values: Mapping[str, Any] | None = None) -> pa.Table:
        """All rows of a query."""
        with clean_errors():
            return self._run(sql, values).to_arrow_table()

    def stream(self, sql: str, rows: int = _BATCH_ROWS) -> pa.RecordBatchReader:
        """The rows of a query as they are made, so many in a batch; the engine runs nothing else
        meanwhile."""
        with clean_errors():
            made = self._run(sql).to_arrow_reader(rows)
        return pa.RecordBatchReader.from_batches(made.schema, _cleaned(made))

    def _run(self, sql: str, values: Mapping[str, Any] | None = None) -> duckdb.DuckDBPyConnection:
        return self._db.execute(sql, values or None)

    def parse(self, sql: str) -> None:
        """Raise SpecError for what is not SQL, with what is wrong and where."""
        with clean_errors():
            self._db.extract_statements(sql)

    def count(self, sql: str) -> int:
        """The one number that a query answers."""
        return int(self.table(sql).column(0)[0].as_py())

    def register(self, name: str, rows: pa.Table | pa.RecordBatchReader) -> None:
        """Show Arrow rows as a relation; a reader's for one statement."""
        with clean_errors():
            self._db.register(name, rows)

    def unregister(self, name: str) -> None:
        """Forget Arrow rows."""
        with clean_errors():
            self._db.unregister(name)


def _cleaned(made: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """The same batches; what fails on the way comes as Arrow's error, with DuckDB's text in it."""
    with clean_errors():
        try:
            yield from made
        except (OSError, pa.ArrowException) as error:
            if str(error).startswith(("IO Error", "HTTP Error", "Out of Memory Error")):
                raise duckdb.IOException from None
            raise duckdb.InvalidInputException(str(error)) from None


@contextmanager
def clean_errors() -> Iterator[None]:
    """Re-raise what DuckDB raises without its text, which may quote values."""
    try:
        yield
    except (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException) as error:
        # these speak of names in the statement, before any row was read
        raise SpecError(f"the SQL cannot run: {_first_line(error)}") from None
    except duckdb.PermissionException:
        raise PolicyError("only the lake can be read here") from None
    except duckdb.OutOfMemoryException:
        raise StoreError("the engine ran out of memory", hint="raise LAKEHOUSE_MEMORY") from None
    except (duckdb.DataError, duckdb.InvalidInputException, duckdb.NotSupportedError) as error:
        if told := _SEVERAL.search(str(error)):
            hint = "end the path with first(), or keep a list with collection"
            raise SpecError(f"the view fails on the data: {told[1]}", hint=hint) from None
        # the same data and the same SQL would fail again
        raise SpecError(f"the SQL fails on the data with {type(error).__name__}") from None
    except duckdb.Error as error:
        raise StoreError(f"the engine failed with {type(error).__name__}") from None
    except OSError as error:
        raise StoreError(f"the engine's folders failed: {error.strerror}") from None


def _first_line(error: duckdb.Error) -> str:
    """What DuckDB says first, and the place in the statement to which it points."""
    first = str(error).partition("\n")[0]
    found = _CARET.search(str(error))
    if not found or found[2].startswith("..."):
        return first
    character = len(found[3]) - len(f"LINE {found[1]}: ") + 1
    return f"{first} (line {found[1]}, character {character})"


def _private_folder(root: Path) -> Path:
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    for left in root.iterdir():
        owner = left.name.partition("-")[0]
        if owner.isdecimal() and not Path(f"/proc/{owner}").exists():
            shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=root))
