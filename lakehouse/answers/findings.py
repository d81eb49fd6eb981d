"""What views came upon in what arrived, and could not read: as the nights found it."""

from collections.abc import Iterable
from dataclasses import dataclass

from lakehouse.catalog.load import Catalog
from lakehouse.catalog.spec import Table, Write
from lakehouse.state.store import Row, State

_FOUND = """
    select view_name, path, column_names, feed, sum(n_unread) as n, sum(n_looked) as looked,
      min(at) as first_at, max(at) as last_at
    from finding where view_name <> '' and number >= :since
    group by view_name, path, column_names, feed
    order by view_name, n desc, path, feed"""
_LAST = "select max(at) as at from finding"


@dataclass(frozen=True, slots=True)
class Unread:
    """So many values at a JSON path, in the records of a feed, that a view could not read.

    `columns` take something from there; none where the path only decides which rows there are.
    `looked` are the records of the view's type in the looks that found any.
    """

    view: str
    columns: tuple[str, ...]
    path: str
    feed: str
    n: int
    looked: int
    first_at: str
    last_at: str


def list_unread(state: State, views: Iterable[str], since: int = 0) -> list[Unread]:
    """What these views could not read, most first, from the upkeep of that number on."""
    wanted = set(views)
    found = state.ask(_FOUND, since=since) if wanted else []
    return [_unread(row) for row in found if row["view_name"] in wanted]


def views_of(catalog: Catalog, table: Table) -> list[str]:
    """The views of ViewDefinitions that a table is, or reads, itself or through other views."""
    if table.definition:
        return [table.name]
    read = [catalog.tables[name] for name in table.reads if name in catalog.tables]
    return sorted(
        {name for one in read if one.write is Write.VIEW for name in views_of(catalog, one)}
    )


def looked_last(state: State) -> str | None:
    """When a night last found records to look through; None where none did."""
    (row,) = state.ask(_LAST) or [{"at": None}]
    return str(row["at"]) if row["at"] else None


def _unread(row: Row) -> Unread:
    told = {name: row[name] for name in ("path", "feed", "n", "looked", "first_at", "last_at")}
    return Unread(view=row["view_name"], columns=tuple(row["column_names"].split()), **told)
