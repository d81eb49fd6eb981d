"""The state store: small, beside the lake, written behind each commit and made anew from the lake.

It is one file of this machine. Writers wait for each other; readers see the last whole change.
"""

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

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


class State:
    """Opened for each question and each change: it holds no connection, and may cross a fork."""

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
        with _storing(), closing(self._open_to_write()) as link:
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

    def _open_to_write(self) -> sqlite3.Connection:
        self._place.parent.mkdir(parents=True, exist_ok=True, mode=_PRIVATE)
        self._place.touch(mode=0o600)
        link = self._link(is_reader=False)
        if not _is_ours(link):
            _make(link)
        return link

    def _link(self, *, is_reader: bool) -> sqlite3.Connection:
        address = f"{self._place.as_uri()}?mode={'ro' if is_reader else 'rw'}"
        link = sqlite3.connect(address, _WAIT_SECONDS, uri=True, isolation_level=None)
        link.row_factory = sqlite3.Row
        for pragma in () if is_reader else _PRAGMAS:
            link.execute(f"pragma {pragma}")
        return link


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
