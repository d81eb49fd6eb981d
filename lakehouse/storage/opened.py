"""The snapshots of tables that a process has opened, each read from its log once.

To open a table is to read its log: a dozen requests to a store, where one tells whether there is
anything new in it.
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from lakehouse.errors import StoreError

_KEPT = 32


class Snapshot(DeltaTable):
    """A table that tells its history up to the version that it shows, read once.

    delta-rs begins with the log's newest commit and numbers it as the version that is shown.
    """

    _told: tuple[int, int | None, list[dict[str, Any]]] = (-1, 0, [])

    def history(self, limit: int | None = None) -> list[dict[str, Any]]:
        """The commits that led to this version, its own first, as many as are wanted."""
        version, most, told = self._told
        if version != self.version() or (most is not None and (limit is None or limit > most)):
            told = self._read(limit)
            self._told = self.version(), limit, told
        return told[:limit]

    def _read(self, limit: int | None) -> list[dict[str, Any]]:
        later_and_own = self._commits(1)
        if not later_and_own:
            return []  # a checkpoint stands for all of the log
        own, later = later_and_own[-1], len(later_and_own) - 1
        told = later_and_own if limit == 1 else self._commits(limit)
        until_now = told[told.index(own, later) :]
        return [{**it, "version": self.version() - n} for n, it in enumerate(until_now)]

    def _commits(self, limit: int | None) -> list[dict[str, Any]]:
        """As many commits before this version's, it, and all that came later: the newest first."""
        told = super().history(limit)
        return [{k: v for k, v in it.items() if k != "version"} for it in told]


class Opened:
    """Snapshots by place. They are shared: a commit, which moves the one it is made by, is made by
    one that its maker has `alone`."""

    def __init__(self, options: Mapping[str, str] | None) -> None:
        self._options = dict(options) if options else None
        self._newest: dict[str, Snapshot] = {}
        self._older: OrderedDict[tuple[str, int], Snapshot] = OrderedDict()

    def newest(self, place: str) -> Snapshot | None:
        """The table as it is now; None when nothing was ever written."""
        known = self._newest.get(place)
        if known is not None and self._is_newest(known):
            return known
        found = self._open(place)
        if found is not None:
            self._newest[place] = found
        return found

    def at(self, place: str, version: int) -> Snapshot | None:
        """The table as it was at a version."""
        key = place, version
        found = self._older.pop(key, None) or self._open(place, version)
        if found is not None:
            self._older[key] = found
        if len(self._older) > _KEPT:
            self._older.popitem(last=False)
        return found

    @contextmanager
    def alone(self, place: str, version: int) -> Iterator[Snapshot]:
        """A snapshot at `version` that nobody else has; the newest, once a commit is made by it."""
        own = self._open(place, version)
        if own is None:
            raise StoreError("the table is gone")
        yield own
        self._newest[place] = own

    def _open(self, place: str, version: int | None = None) -> Snapshot | None:
        with suppress(TableNotFoundError):
            return Snapshot(place, version, self._options, skip_stats=False)
        return None

    def _is_newest(self, known: Snapshot) -> bool:
        # one LIST, and by no public name; `update_incremental` would move what others look at
        with suppress(DeltaError):  # the table is gone
            return bool(known._table.get_latest_version() == known.version())
        return False
