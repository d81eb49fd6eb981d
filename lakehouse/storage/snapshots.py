"""The tables of a lake as one reader sees them."""

from collections.abc import Sequence

from lakehouse.catalog.spec import Table
from lakehouse.lineage import collect
from lakehouse.storage.lake import Lake, Stored


class Snapshots:
    """Tables for reading, each as it was when it was first asked for, whatever is committed
    meanwhile."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._found: dict[tuple[str, int | None], Stored | None] = {}

    def find(self, name: str, version: int | None = None) -> Stored | None:
        """The table at `version`, or as it was when it was first asked for; None when nothing was
        ever written. Raises StoreError for a version that is gone."""
        newest = self._found.get((name, None))
        if newest and version == newest.version:
            return newest
        place = name, version
        if place not in self._found:
            self._found[place] = self._lake.find(name, version)
        return self._found[place]

    def alike(self, name: str, version: int | None) -> int | None:
        """The newest version of a table with the same rows as `version`, whose files are kept
        longest; None where there is no version."""
        stored = self.find(name) if version is not None else None
        return stored.alike(version) if stored and version is not None else None

    def pin(self, tables: Sequence[Table]) -> dict[str, int | None]:
        """The data version of each table, None where nothing was written; reported as read."""
        found: dict[str, int | None] = {}
        for table in tables:
            stored = self.find(table.name)
            found[table.name] = version = stored.data_version() if stored else None
            if stored and version is not None:
                rows, size = stored.measure()
                shape = tuple((field.name, str(field.type)) for field in stored.schema)
                collect.read([collect.Dataset(table.name, version, shape, rows, size)])
        return found
