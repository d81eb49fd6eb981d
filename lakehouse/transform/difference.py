"""Stored rows of some units: shown at a cost that follows these, and turned into those that a build
made, by one commit of what differs."""

from dataclasses import dataclass

from lakehouse.catalog.spec import Unit
from lakehouse.storage.commit import Note, Ranges
from lakehouse.storage.engine import Engine
from lakehouse.storage.lake import OPERATION, Stored
from lakehouse.transform.changes import CHANGED

STORED, CHANGE = "work.stored", "work.change"
_MOST_MERGED = 500_000
"""Rows; a merge holds what it changes in memory, so more than these make a table anew."""
_MOST_READ = 500_000
"""Rows; of more than these it pays to look first where those lie that are wanted."""


@dataclass(frozen=True, slots=True)
class Difference:
    """How a build reads and writes units; all that changed lie in `reach`, where that is known."""

    engine: Engine
    unit: Unit | None
    reach: Ranges | None

    def attach_units(self, stored: Stored, where: str, name: str) -> None:
        """Show the rows of some units, where possible without a look at all others."""
        files = stored.files(self.reach)
        rows = stored.count(files)
        if rows > _MOST_READ:
            self.engine.attach_near(stored.table, files, where, rows=rows, name=name)
        elif self.reach is not None:
            self.engine.attach_files(stored.table, files, where, name=name)
        else:
            self.engine.attach(stored.table, stored.version, where, name=name)

    def put(self, stored: Stored, rows: str, key: tuple[str, ...], note: Note) -> tuple[int, int]:
        """Commit what turns the stored rows of the changed units into `rows`, where anything does;
        how many rows were written, and how many deleted."""
        changed, columns = self._diff(stored, rows, key), ", ".join(stored.table.columns)
        met = f"select count(*) from {CHANGE} semi join {STORED} using ({', '.join(key)})"
        is_all_new = not self.engine.count(self.engine.inline(met))
        deleted = self.engine.count(f"select count(*) from {CHANGE} where {OPERATION} = 'delete'")
        if changed > _MOST_MERGED or (not is_all_new and self._meets_all_files(stored, key)):
            self._attach_stored(stored, changed=False)
            both = f"select {columns} from {STORED} union all select {columns} from {rows}"
            stored.replace(self.engine.stream(both), note)
        elif changed and is_all_new:
            stored.append(self.engine.stream(f"select {columns} from {CHANGE}"), note)
        elif changed:
            stored.merge(self.engine.table(f"from {CHANGE}"), key, note, self.reach)
        return changed - deleted, deleted

    def _meets_all_files(self, stored: Stored, key: tuple[str, ...]) -> bool:
        """Whether each file of a table holds a row that a change meets, as some row does: a merge
        would write all of them anew, at more cost than who reads them once and knows which rows
        stay."""
        files = stored.files()
        if len(stored.files(self.reach)) < len(files):
            return False
        if len(files) == 1:
            return True
        met = (
            f"select count(distinct filename) from {self.engine.files(files)} "
            f"semi join {CHANGE} using ({', '.join(key)})"
        )
        return self.engine.count(met) == len(files)

    def _attach_stored(self, stored: Stored, *, changed: bool) -> None:
        """Show the stored rows of the changed units, or those of the others."""
        among = f"{self.unit.row} in (from {CHANGED})" if self.unit else "true"
        if changed:
            self.attach_units(stored, among, STORED)
            return
        self.engine.attach(
            stored.table, stored.version, f"not coalesce({among}, false)", name=STORED
        )

    def _diff(self, stored: Stored, rows: str, key: tuple[str, ...]) -> int:
        """Fill `change` with what turns the stored rows of the changed units into `rows`."""
        columns = ", ".join(stored.table.columns)
        self._attach_stored(stored, changed=True)
        self.engine.fill(
            CHANGE,
            f"select {columns}, 'upsert' as {OPERATION} from "
            f"(select {columns} from {rows} except select {columns} from {STORED}) "
            f"union all by name select {columns}, 'delete' as {OPERATION} from {STORED} "
            f"anti join {rows} using ({', '.join(key)})",
        )
        return self.engine.count(f"select count(*) from {CHANGE}")
