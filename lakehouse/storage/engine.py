"""SELECT over the lake and nothing else."""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

import pyarrow as pa

from lakehouse.catalog.load import LAYERS, SOURCES
from lakehouse.catalog.spec import Table, Write
from lakehouse.errors import SpecError
from lakehouse.settings import Credentials
from lakehouse.storage.extensions import are_checked, find_extensions, remember_checked
from lakehouse.storage.lake import Lake
from lakehouse.storage.memory import give_back
from lakehouse.storage.place import place_of
from lakehouse.storage.runs import BLOCK_ROWS, find_parts
from lakehouse.storage.session import Session, clean_errors

WORK = "work"

_EXPLAIN = re.compile(r"\A\s*explain(\s+analyze)?\s", re.I)
_CALLED = re.compile(r'"function_name":"(\w+)"')
_RUN_TEXT = {"query", "query_table"}
_WORD = re.compile(r"\w+")
_NAMED = re.compile(
    rf"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"[^\"]*\""
    rf"|(?<![\w.])((?:{'|'.join(LAYERS)}|{WORK})\.([a-z_]\w*))(?![\w.(])",
    re.S,
)
"""A relation's name, or what may hold one that is none: a comment, a text, a quoted name."""
_UNALIASED = re.compile(
    r"\s*(?:[^\s\w\"]|\Z|(?:where|join|left|right|inner|outer|cross|full|semi|anti|asof|positional|natural|on"
    r"|using|group|order|having|qualify|window|limit|offset|union|except|intersect|tablesample)\b)",
    re.I,
)
"""What follows a relation that gets no other name."""
_SURROGATE = re.compile("[\ud800-\udfff]")


class Engine(Session):
    """One DuckDB connection that sees the lake and nothing else of this machine.

    Models run in it as they stand: each table they read is a view of that name at one version.
    """

    def __init__(self, lake: Lake, *, threads: int | None = None) -> None:
        self._catalog, self._url = lake.catalog, lake.url
        self._shown: dict[str, str] = {}
        self._viewed: set[str] = set()
        self._undefined = {name.lower(): made for name, made in lake.catalog.macros.items()}
        self._opened: set[str] = set()
        self._left_open: set[str] = set()
        extensions = find_extensions(with_http=lake.credentials is not None)
        is_checked = are_checked(lake.settings.home, extensions)
        super().__init__(lake.settings, threads=threads, allow_unsigned=is_checked)
        for path in extensions:
            self.execute(f"load {_quoted(str(path))}")
        if not is_checked:
            remember_checked(lake.settings.home, extensions)
        self._prepare(lake.credentials)

    def forget(self) -> None:
        """Drop all that was attached and worked out, as if the engine were new."""
        self.execute(f"drop schema {WORK} cascade")
        self.execute(f"create schema {WORK}")
        for name in self._viewed:
            self.execute(f"drop view if exists {name}")
        for snapshot in self._left_open:
            self.execute(f"detach {snapshot}")
        self._shown.clear()
        self._viewed.clear()
        # the next piece of work often reads the same versions
        self._left_open, self._opened = self._opened, set()
        give_back()

    def attach(
        self, table: Table, version: int | None, where: str = "true", *, name: str = ""
    ) -> None:
        """Show a stored table at a version, under its own name or another; None shows it empty."""
        name = name or table.name
        if version is None:
            self._show(name, self.empty(table))
            return
        self._show(name, f"from {self._open(table, version)} where {where}")

    def _open(self, table: Table, version: int) -> str:
        """A table at a version, whose log is read once, however often and through however many
        views a query names it."""
        snapshot = f'"{table.name}@{version}"'
        if snapshot in self._left_open:
            self._left_open.remove(snapshot)
            self._opened.add(snapshot)
        if snapshot not in self._opened:
            place = _quoted(place_of(self._url, table.name))
            how = f"type delta, read_only, pin_snapshot, version {version}"
            self.execute(f"attach {place} as {snapshot} ({how})")
            self._opened.add(snapshot)
        return snapshot

    def attach_files(
        self, table: Table, files: Sequence[str], where: str, *, name: str = ""
    ) -> None:
        """Show the rows that some data files of a stored table hold."""
        rows = f"from {self.files(files)}" if files else "from none"
        self._show(name or table.name, self._among(table, rows, where))

    def attach_near(
        self, table: Table, files: Sequence[str], where: str, *, rows: int, name: str = ""
    ) -> None:
        """Show the rows that some data files of a stored table hold, as above; `rows` are all that
        these files hold. The columns that the condition names are read first, and all others only
        near the rows for which it holds, where those are few and lie together."""
        told = self.table(
            f"select distinct filename, file_row_number // {BLOCK_ROWS} as block "
            f"from {self.files(files)} where {where} order by all"
        )
        found = find_parts(zip(*told.to_pydict().values(), strict=True), rows)
        if found is None:
            self.attach_files(table, files, where, name=name)
            return
        parts = [f"(from {self.files(part.files)} where {part.where})" for part in found]
        # kept: who reads them twice would open so many relations twice
        near = f'{WORK}."near {name or table.name}"'
        among = self._among(table, " union all by name ".join(parts) or "from none", where)
        self.execute(f"create or replace table {near} as {among}")
        self._show(name or table.name, f"from {near}")

    def _among(self, table: Table, rows: str, where: str) -> str:
        # a column that the table got after a file was written is null there
        return (
            f"with none as ({self.empty(table)}) from none union all by name "
            f"(from ({rows}) where {where})"
        )

    def attach_view(self, table: Table) -> None:
        """Show a declared view; what it reads must be attached."""
        self._show(table.name, table.sql)

    def attach_query(self, table: Table, query: str) -> None:
        """Show the rows of a query under a table's name; what it reads must be attached."""
        self._show(table.name, query)

    def _show(self, name: str, query: str) -> None:
        self._shown[name] = query
        self._viewed.discard(name)

    def fill(self, target: str, query: str, values: Mapping[str, Any] | None = None) -> None:
        """Make a table of the rows of a query, which is planned once: through a view it would be
        for the view and for the query, and for few rows that is most of what it costs."""
        try:
            self.execute(f"create or replace table {target} as {self.inline(query)}", values)
        except SpecError:
            # it says where in the query as it stands
            self.execute(f"create or replace table {target} as {query}", values)

    def inline(self, sql: str) -> str:
        """The same with what is shown in place of its names, also in that."""
        return _NAMED.sub(self._in_place, sql)

    def _in_place(self, found: re.Match[str]) -> str:
        query = self._shown.get(found[1])
        if query is None:
            return found[0]
        alias = f" as {found[2]}" if _UNALIASED.match(found.string, found.end()) else ""
        return f"({self.inline(query)}\n){alias}"

    def attach_views(self, table: Table) -> None:
        """Show the views that a model reads, each after what it reads itself."""
        for name in table.reads:
            read = self._catalog.tables.get(name)
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
            with clean_errors():
                self._view_named(" ".join(self._shown))
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
            self.parse(sql)
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
        words |= {*LAYERS, *(table.noun for table in self._catalog.tables.values())}
        words |= self._catalog.macros.keys()
        asked = {word.lower() for word in _WORD.findall(sql)} - words
        return _WORD.sub(lambda found: "…" if found[0].lower() in asked else found[0], message)

    def empty(self, table: Table) -> str:
        """The text of a query with the columns of a table, and no row."""
        columns = self._catalog.columns
        casts = ", ".join(f"null::{columns[c].type} as {c}" for c in table.columns)
        return f"select {casts} where false"

    def _run(self, sql: str, values: Mapping[str, Any] | None = None) -> Any:
        self._view_named(sql)
        self._define_named(sql)
        return super()._run(sql, values)

    def _view_named(self, sql: str) -> None:
        """Make views of what is shown and a statement names, before them those that they name."""
        for name, _ in _NAMED.findall(sql) if self._shown else ():
            query = self._shown.get(name)
            if query is None:
                continue
            self._view_named(query)
            if name not in self._viewed:
                self._define_named(query)
                super()._run(f"create or replace view {name} as {query}")
                self._viewed.add(name)

    def _define_named(self, sql: str) -> None:
        """Make the macros that a statement names, before them those that they name: to make all
        takes longer than all else that makes an engine."""
        for name in self._undefined.keys() & set(_WORD.findall(sql.lower())):
            if macro := self._undefined.pop(name, None):
                self.execute(macro)

    def _prepare(self, credentials: Credentials | None) -> None:
        if credentials:
            self._grant(credentials)
        for layer in (*LAYERS, WORK):
            self.execute(f"create schema {layer}")
        self._load_codes()
        self._lock()

    def _grant(self, credentials: Credentials) -> None:
        place = urlsplit(credentials.endpoint)
        self.execute(
            f"create secret lake (type s3, key_id {_quoted(credentials.access_key)}, "
            f"secret {_quoted(credentials.secret_key)}, region '{credentials.region}', "
            f"endpoint '{place.netloc}', use_ssl {place.scheme == 'https'}, url_style 'path', "
            f"scope {_quoted(self._url)})"
        )

    def _load_codes(self) -> None:
        for name, path in self._catalog.codes.items():
            self.execute(
                f"create table {name} as select * from "
                f"read_csv({_quoted(str(path))}, header = true, all_varchar = true, comment = '#')"
            )
        zones = self._catalog.zones()
        self.execute(f"create table {SOURCES} (source varchar, zone varchar)")
        for source, zone in zones:
            self.execute(f"insert into {SOURCES} values ('{source}', '{zone}')")

    def _lock(self) -> None:
        place = self._url
        if "://" not in place:
            with clean_errors():
                Path(place).mkdir(parents=True, exist_ok=True)
        folders = f"[{_quoted(f'{place}/')}, {_quoted(f'{self.spill}/')}]"
        self.execute(f"set allowed_directories = {folders}")
        self.execute("set enable_external_access = false")
        self.execute("set lock_configuration = true")


_idle: WeakKeyDictionary[Lake, list[Engine]] = WeakKeyDictionary()
"""Engines of this process that wait for more work in their lake."""

_inherited: list[Any] = []
"""Engines of the process that this one was forked from: their threads are not here, so that they
may neither be used nor closed."""


def _leave_to_parent() -> None:
    _inherited.extend(_idle.values())
    _idle.clear()


os.register_at_fork(after_in_child=_leave_to_parent)


@contextmanager
def engine_for(lake: Lake) -> Iterator[Engine]:
    """An engine that shows nothing yet: one that did earlier work in this lake, or a new one.

    Its tables are gone afterwards. What failed may have broken it: it is closed then.
    """
    waiting = _idle.setdefault(lake, [])
    engine = waiting.pop() if waiting else Engine(lake)
    try:
        yield engine
    except BaseException:
        engine.close()
        raise
    engine.forget()
    waiting.append(engine)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
