"""The state store: small, beside the lake, written behind each commit and made anew from the lake.

It is one file of this machine. Writers wait for each other; readers see the last whole change.
"""

import fcntl
import hashlib
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from lakehouse.errors import SpecError, StoreError
from lakehouse.settings import Settings
from lakehouse.state.schema import RELEASE, TABLES, statements

Row = Mapping[str, Any]

_PRIVATE = 0o700
_WAIT_SECONDS = 30.0
_PRAGMAS = ("journal_mode = wal", "synchronous = normal", "cache_size = -16000")


def state_place(settings: Settings) -> Path | None:
    """Where the state of this lake lies; None where no lake is known yet."""
    try:
        lake = settings.lake_url()
    except SpecError:
        return None
    if lake.startswith("s3://"):
        name = lake.replace("://", "_").replace("/", "_")
    else:
        name = hashlib.sha256(lake.encode()).hexdigest()[:16]
    return settings.home / "state" / f"{name}.db"


def open_state(settings: Settings) -> "State":
    """The state of the lake; raises SpecError where no lake is known."""
    settings.lake_url()
    place = state_place(settings)
    assert place is not None  # noqa: S101 (the line above has raised otherwise)
    return State(place)


class Change:
    """Changes that are seen all together or not at all."""

    def __init__(self, link: sqlite3.Connection) -> None:
        self._link = link

    def put(self, table: str, rows: Iterable[Row]) -> None:
        """Add rows, each in place of the one with its key; what it does not name stays."""
        known = list(rows)
        if not known:
            return
        key, columns = TABLES[table].key, tuple(known[0])
        told = ", ".join(f"{c} = excluded.{c}" for c in columns if c not in key)
        self._link.executemany(
            f"insert into {table} ({', '.join(columns)}) "
            f"values ({', '.join(f':{column}' for column in columns)}) "
            f"on conflict ({', '.join(key)}) do {f'update set {told}' if told else 'nothing'}",
            known,
        )

    def drop(self, table: str, **match: Any) -> None:
        """Remove the rows with these values; without any, all."""
        where = " and ".join(f"{name} = :{name}" for name in match)
        self._link.execute(f"delete from {table}{f' where {where}' if where else ''}", match)

    def ask(self, sql: str, **values: Any) -> list[Row]:
        """The rows as this change leaves them."""
        return _rows(self._link.execute(sql, values))

    def followed(self, name: str) -> int | None:
        """How far a log has been read; None where it was never."""
        rows = self.ask("select version from followed where name = :name", name=name)
        return int(rows[0]["version"]) if rows else None

    def follow(self, name: str, version: int) -> None:
        """Remember that a log has been read so far."""
        self.put("followed", [{"name": name, "version": version}])


class _File(NamedTuple):
    place: tuple[int, int]
    size: int
    changed_at: int


class _Writer(NamedTuple):
    """A connection, and its file as it was left; to open and close one costs five small changes."""

    file: _File
    link: sqlite3.Connection


_idle: list[_Writer] = []
"""The writer of this process that has nothing to do: one, or none."""

_inherited: list[_Writer] = []
"""Of the process that this one was forked from: it may neither be used here nor closed."""


def _leave_to_parent() -> None:
    _inherited.extend(_idle)
    _idle.clear()


os.register_at_fork(after_in_child=_leave_to_parent)


class State:
    """Opened for each question, so that it may cross a fork; whoever changes it keeps a connection
    for the next change."""

    def __init__(self, place: Path) -> None:
        self._place = place

    def ask(self, sql: str, **values: Any) -> list[Row]:
        """The rows of one SELECT; none where nothing was ever written. Raises StoreError."""
        if not self._place.is_file():
            return []
        with _storing(), closing(self._link(is_reader=True)) as link:
            if not _is_ours(link):
                return []
            return _rows(link.execute(sql, values))

    def followed(self, name: str) -> int | None:
        """How far a log has been read; None where it was never."""
        rows = self.ask("select version from followed where name = :name", name=name)
        return int(rows[0]["version"]) if rows else None

    @contextmanager
    def change(self) -> Iterator[Change]:
        """One change, after all that others are about; raises StoreError, and then nothing was
        changed."""
        with _storing(), self._writing() as link:
            link.execute("begin immediate")
            try:
                yield Change(link)
                link.execute("commit")
            except BaseException:
                link.execute("rollback")
                raise

    def clear(self) -> None:
        """Forget everything, in one change with nothing in it."""
        with self.change() as change:
            for table in TABLES:
                if table != "about":
                    change.drop(table)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """The idle connection, where nobody else has touched the file since, or a new one."""
        writer = _idle.pop() if _idle else None
        if writer and writer.file != _identity(self._place):
            writer.link.close()
            writer = None
        writer = writer or self._open_to_write()
        try:
            if not _is_ours(writer.link):
                _make(writer.link)
            yield writer.link
            # as when it is closed: all of the state is in the file
            writer.link.execute("pragma wal_checkpoint(passive)")
        except BaseException:
            writer.link.close()
            raise
        self._leave_idle(writer)

    def _leave_idle(self, writer: _Writer) -> None:
        found = _identity(self._place)
        if _idle or found.place != writer.file.place:  # one of another thread, or another file
            writer.link.close()
        else:
            _idle.append(_Writer(found, writer.link))

    def _open_to_write(self) -> _Writer:
        self._place.parent.mkdir(parents=True, exist_ok=True, mode=_PRIVATE)
        with _alone(self._place.parent):
            self._place.touch(mode=0o600)
            return _Writer(_identity(self._place), self._link(is_reader=False))

    def _link(self, *, is_reader: bool) -> sqlite3.Connection:
        address = f"{self._place.as_uri()}?mode={'ro' if is_reader else 'rw'}"
        # whichever thread has a connection has it alone
        link = sqlite3.connect(
            address, _WAIT_SECONDS, uri=True, isolation_level=None, check_same_thread=False
        )
        link.row_factory = sqlite3.Row
        for pragma in () if is_reader else _PRAGMAS:
            link.execute(f"pragma {pragma}")
        return link


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Of two that give a new file its write-ahead log SQLite lets one fail: here it waits."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        fcntl.flock(handle, fcntl.LOCK_UN)  # a fork of meanwhile has the handle too
        os.close(handle)


def _identity(place: Path) -> _File:
    try:
        is_ = place.stat()
    except FileNotFoundError:
        return _File((0, 0), 0, 0)
    return _File((is_.st_dev, is_.st_ino), is_.st_size, is_.st_mtime_ns)


def _make(link: sqlite3.Connection) -> None:
    link.execute("begin immediate")
    for name in TABLES if not _is_ours(link) else ():
        link.execute(f"drop table if exists {name}")
    for statement in statements():
        link.execute(statement)
    Change(link).put("about", [{"name": "release", "value": RELEASE}])
    link.execute("commit")


def _is_ours(link: sqlite3.Connection) -> bool:
    """False for a state that another release wrote, or nobody yet."""
    if not link.execute("select 1 from sqlite_master where name = 'about'").fetchall():
        return False
    found = link.execute("select value from about where name = 'release'").fetchall()
    return [row["value"] for row in found] == [RELEASE]


def _rows(cursor: sqlite3.Cursor) -> list[Row]:
    return [dict(row) for row in cursor.fetchall()]


@contextmanager
def _storing() -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise StoreError(
            f"the state could not be read or written: {type(error).__name__}",
            hint="`lakehouse state rebuild` makes it anew from the lake",
        ) from None
