"""SELECT over the lake, within a share of the machine. The only importer of DuckDB."""

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import duckdb
import duckdb_extension_delta
import duckdb_extension_httpfs
import pyarrow as pa

from lakehouse.catalog.load import LAYERS, SOURCES
from lakehouse.catalog.spec import Table, Write
from lakehouse.errors import PolicyError, SpecError, StoreError
from lakehouse.lineage import collect
from lakehouse.settings import Settings
from lakehouse.storage.lake import Lake
from lakehouse.viewdefinition.items import SEVERAL

WORK = "work"
_BATCH_ROWS = 65_536

_EXPLAIN = re.compile(r"\A\s*explain(\s+analyze)?\s", re.I)
_CALLED = re.compile(r'"function_name":"(\w+)"')
_RUN_TEXT = {"query", "query_table"}
_WORD = re.compile(r"\w+")
_SURROGATE = re.compile("[\ud800-\udfff]")
_CARET = re.compile(r"^LINE (\d+): (.*)\n( *)\^", re.M)
_SEVERAL = re.compile(rf"Invalid Input Error: ([\w.\[\]]+(?: \w+)?: {SEVERAL})")
"""What a view says of a path that gives several values: its own names, and none of a patient."""

_checked: set[Path] = set()
"""The extensions whose signature this process has checked: they stay mapped, and an engine that
follows gets the same code without a third of a second of hashing."""


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
        self._db = duckdb.connect(
            config={
                # the other half of the slot is for Python, Arrow and the writing of Delta
                "memory_limit": f"{settings.slot_memory_bytes // 2 // 2**20}MiB",
                "threads": threads or min(os.cpu_count() or 1, 4),
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
        shutil.rmtree(self.spill, ignore_errors=True)

    def execute(self, sql: str, values: Mapping[str, Any] | None = None) -> None:
        """Run a statement for its effect."""
        with clean_errors():
            self._db.execute(sql, values or None)

    def table(self, sql: str, values: Mapping[str, Any] | None = None) -> pa.Table:
        """All rows of a query."""
        with clean_errors():
            return self._db.execute(sql, values or None).to_arrow_table()

    def stream(self, sql: str) -> pa.RecordBatchReader:
        """The rows of a query as they are made; the engine runs nothing else meanwhile."""
        with clean_errors():
            made = self._db.execute(sql).to_arrow_reader(_BATCH_ROWS)
        return pa.RecordBatchReader.from_batches(made.schema, _cleaned(made))

    def count(self, sql: str) -> int:
        """The one number that a query answers."""
        return int(self.table(sql).column(0)[0].as_py())

    def register(self, name: str, rows: pa.Table) -> None:
        """Show Arrow rows as a relation."""
        with clean_errors():
            self._db.register(name, rows)

    def unregister(self, name: str) -> None:
        """Forget Arrow rows."""
        with clean_errors():
            self._db.unregister(name)


class Engine(Session):
    """One DuckDB connection that sees the lake and nothing else of this machine.

    Models run in it as they stand: each table they read is a view of that name at one version.
    """

    def __init__(self, lake: Lake, *, threads: int | None = None) -> None:
        self._lake = lake
        self._extensions = _extensions(lake)
        super().__init__(
            lake.settings,
            threads=threads,
            allow_unsigned=_checked.issuperset(self._extensions),
        )
        self._prepare()

    def attach(
        self, table: Table, version: int | None, where: str = "true", *, name: str = ""
    ) -> None:
        """Show a stored table at a version, under its own name or another; None shows it empty."""
        name = name or table.name
        if version is None:
            self.execute(f"create or replace view {name} as {self._empty(table)}")
            return
        place = self._lake.place(table.name)
        self.execute(
            f"create or replace view {name} as "
            f"select * from delta_scan({_quoted(place)}, version => {version}) where {where}"
        )

    def attach_view(self, table: Table) -> None:
        """Show a declared view; what it reads must be attached."""
        self.execute(f"create or replace view {table.name} as {table.sql}")

    def attach_views(self, table: Table) -> None:
        """Show the views that a model reads, each after what it reads itself."""
        for name in table.reads:
            read = self._lake.catalog.tables.get(name)
            if read and read.write is Write.VIEW:
                self.attach_views(read)
                self.attach_view(read)

    def files(self, addresses: Sequence[str]) -> str:
        """The text of a relation over these data files."""
        listed = ", ".join(map(_quoted, addresses))
        return f"read_parquet([{listed}], union_by_name = true)"

    def answer(self, sql: str) -> pa.RecordBatchReader:
        """The rows of somebody's query; raises SpecError for anything but one SELECT."""
        try:
            self._refuse_all_but_select(sql)
            return self.stream(sql)
        except SpecError as error:
            raise SpecError(self._without_names(error.message, sql), hint=error.hint) from None

    def _refuse_all_but_select(self, sql: str) -> None:
        if "\0" in sql or _SURROGATE.search(sql):
            raise SpecError("the query is not text in UTF-8")
        # EXPLAIN ANALYZE runs what follows it, whatever that is
        bare = _EXPLAIN.sub("", sql, count=1)
        parsed = self.table("select json_serialize_sql($sql::varchar)", {"sql": bare})
        told = str(parsed.column(0)[0])
        tree = json.loads(told)
        if tree.get("error_type") == "parser":
            with clean_errors():
                self._db.extract_statements(sql)  # which says what is wrong, and where
        if len(tree.get("statements", ())) != 1:
            raise SpecError("only one SELECT at a time can be asked here")
        # Delta's functions read the log of any table there is, the others run a text
        if any("delta" in name or name in _RUN_TEXT for name in _CALLED.findall(told)):
            raise SpecError("a query names tables, not places", hint="write `from silver.patient`")

    def _without_names(self, message: str, sql: str) -> str:
        """The message without such words of the query as SQL and the lake do not know: they may
        be a patient's."""
        known = self.table(
            "select keyword_name from duckdb_keywords() "
            "union select function_name from duckdb_functions() "
            "union select column_name from duckdb_columns()"
        )
        words = {str(word) for word in known.column(0).to_pylist()}
        words |= {*LAYERS, *(table.noun for table in self._lake.catalog.tables.values())}
        asked = {word.lower() for word in _WORD.findall(sql)} - words
        return _WORD.sub(lambda found: "…" if found[0].lower() in asked else found[0], message)

    def _empty(self, table: Table) -> str:
        columns = self._lake.catalog.columns
        casts = ", ".join(f"null::{columns[c].type} as {c}" for c in table.columns)
        return f"select {casts} where false"

    def _prepare(self) -> None:
        for path in self._extensions:
            self.execute(f"load {_quoted(str(path))}")
        _checked.update(self._extensions)
        self._grant()
        for layer in (*LAYERS, WORK):
            self.execute(f"create schema {layer}")
        for macro in self._lake.catalog.macros.values():
            self.execute(macro)
        self._load_codes()
        self._lock()

    def _grant(self) -> None:
        credentials = self._lake.credentials
        if credentials is None:
            return
        place = urlsplit(credentials.endpoint)
        self.execute(
            f"create secret lake (type s3, key_id {_quoted(credentials.access_key)}, "
            f"secret {_quoted(credentials.secret_key)}, region '{credentials.region}', "
            f"endpoint '{place.netloc}', use_ssl {place.scheme == 'https'}, url_style 'path', "
            f"scope {_quoted(self._lake.url)})"
        )

    def _load_codes(self) -> None:
        for name, path in self._lake.catalog.codes.items():
            self.execute(
                f"create table {name} as select * from "
                f"read_csv({_quoted(str(path))}, header = true, all_varchar = true, comment = '#')"
            )
        zones = self._lake.catalog.zones()
        self.execute(f"create table {SOURCES} (source varchar, zone varchar)")
        for source, zone in zones:
            self.execute(f"insert into {SOURCES} values ('{source}', '{zone}')")

    def _lock(self) -> None:
        place = self._lake.url
        if "://" not in place:
            with clean_errors():
                Path(place).mkdir(parents=True, exist_ok=True)
        folders = f"[{_quoted(f'{place}/')}, {_quoted(f'{self.spill}/')}]"
        self.execute(f"set allowed_directories = {folders}")
        self.execute("set enable_external_access = false")
        self.execute("set lock_configuration = true")


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


def pinned(lake: Lake, tables: Sequence[Table]) -> dict[str, int | None]:
    """The newest data version of each table, None where nothing was written; reported as read."""
    found: dict[str, int | None] = {}
    for table in tables:
        stored = lake.find(table.name)
        found[table.name] = stored.data_version() if stored else None
        if stored:
            rows, size = stored.measure()
            shape = tuple((field.name, str(field.type)) for field in stored.schema)
            collect.read([collect.Dataset(table.name, stored.data_version(), shape, rows, size)])
    return found


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _extensions(lake: Lake) -> list[Path]:
    delta = _extension(duckdb_extension_delta, "delta")
    return [_extension(duckdb_extension_httpfs, "httpfs"), delta] if lake.credentials else [delta]


def _extension(package: Any, name: str) -> Path:
    (found,) = Path(package.__file__).parent.glob(f"extensions/*/{name}.duckdb_extension")
    return found


def _private_folder(root: Path) -> Path:
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    for left in root.iterdir():
        owner = left.name.partition("-")[0]
        if owner.isdecimal() and not Path(f"/proc/{owner}").exists():
            shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=root))
