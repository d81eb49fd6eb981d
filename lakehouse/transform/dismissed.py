"""Refused rows of a built table that a person has dismissed: they stay dismissed as they are.

A quarantine of a built table is made again with the table, so a row is not taken out of it but
marked. Whoever computes the same row anew, refused by the same checks, finds the mark; a corrected
row that is refused again is another one, and waits.
"""

from lakehouse.catalog.spec import BROKE, DISMISSED, VERSION, Table
from lakehouse.storage.engine import Engine
from lakehouse.storage.lake import Stored

_BEFORE, _MARKED = "work.before", "work.marked"


def keep_dismissed(engine: Engine, table: Table, stored: Stored | None, refused: str) -> None:
    """Give the relation `refused` the marks that the same rows have in the stored quarantine."""
    if stored is None or DISMISSED not in stored.stored_columns():
        told = f"select *, null::bigint as {DISMISSED} from {refused}"
    else:
        columns = [name for name in table.columns if name in VERSION or name[0] != "_"]
        columns.append(BROKE)
        engine.attach(stored.table, stored.version, f"{DISMISSED} is not null", name=_BEFORE)
        alike = " and ".join(f"r.{name} is not distinct from b.{name}" for name in columns)
        listed = ", ".join(columns)
        told = (
            f"select r.*, b.{DISMISSED} from {refused} as r left join (select {listed}, "
            f"max({DISMISSED}) as {DISMISSED} from {_BEFORE} group by {listed}) as b on {alike}"
        )
    engine.execute(f"create or replace table {refused} as {told}")


def count_waiting(engine: Engine, stored: Stored, reason: str | None = None) -> int:
    """The rows of the quarantine of a built table that nobody has dismissed; those that broke this
    check, or all."""
    if reason is None and DISMISSED not in stored.stored_columns():
        return stored.measure()[0]
    rows = dismiss(engine, stored, 0, reason)
    return engine.count(f"select count(*) from {rows} where {DISMISSED} = 0")


def dismiss(engine: Engine, stored: Stored, number: int, reason: str | None) -> str:
    """The name of a relation with all rows of the quarantine; those that wait for this reason, or
    all that wait, bear the number of an act."""
    engine.attach(stored.table, stored.version)
    known = ", ".join(name for name in stored.table.columns if name != DISMISSED)
    mark = DISMISSED if DISMISSED in stored.stored_columns() else "null"
    engine.execute(
        f"create or replace table {_MARKED} as select {known}, case when {mark} is null and "
        f"($reason is null or list_contains({BROKE}, $reason)) then {number} else {mark} end"
        f"::bigint as {DISMISSED} from {stored.table.name}",
        {"reason": reason},
    )
    return _MARKED
