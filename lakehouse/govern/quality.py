"""Checks on rows that nobody has seen yet: which break which, and what becomes of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from lakehouse.catalog.spec import BROKE, Check, Table
from lakehouse.errors import QualityError
from lakehouse.lineage.collect import CheckResult
from lakehouse.storage.engine import Engine


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of every check, and how many rows were refused."""

    results: tuple[CheckResult, ...]
    refused: int


def judge(engine: Engine, table: Table, rows: str, refused: str) -> Verdict:
    """Move the rows of the relation `rows` that break a quarantine check to the relation `refused`,
    which gets the names of the broken checks as `_broke`.

    Raises QualityError when a check that must hold does not; then nothing may be committed.
    """
    counts = _count(engine, table.checks, rows)
    results = _results(table, counts)
    _raise_for(table, results)
    waiting = [
        check
        for check, broken in zip(table.checks, counts, strict=True)
        if broken and check.on_fail == "quarantine"
    ]
    return Verdict(results, _move(engine, table, waiting, rows, refused))


def untouched(table: Table) -> tuple[CheckResult, ...]:
    """The results for no rows at all."""
    return _results(table, [0] * len(table.checks))


def _results(table: Table, counts: Sequence[int]) -> tuple[CheckResult, ...]:
    return tuple(
        CheckResult(check.name, _column(check), check.on_fail, broken)
        for check, broken in zip(table.checks, counts, strict=True)
    )


def empty_refused(engine: Engine, table: Table, rows: str, refused: str) -> None:
    """Make `refused` an empty relation with the columns of `rows` and `_broke`."""
    engine.execute(
        f"create or replace table {refused} as "
        f"select {', '.join(table.columns)}, []::varchar[] as {BROKE} from {rows} where false"
    )


def _count(engine: Engine, checks: Sequence[Check], rows: str) -> list[int]:
    plain = [check for check in checks if check.kind != "unique"]
    counts: dict[str, int] = {}
    if plain:
        sums = ", ".join(f"count(*) filter (where {check.broken})" for check in plain)
        answer = engine.table(f"select {sums} from {rows}").to_pylist()[0]
        counts = dict(zip((check.name for check in plain), answer.values(), strict=True))
    for check in checks:
        if check.kind == "unique":
            joined = ", ".join(check.columns)
            counts[check.name] = engine.count(
                f"select coalesce(sum(n), 0)::bigint from "
                f"(select count(*) as n from {rows} group by {joined} having count(*) > 1)"
            )
    return [counts[check.name] for check in checks]


def _raise_for(table: Table, results: Sequence[CheckResult]) -> None:
    failed = [result for result in results if result.broken and result.on_fail == "fail"]
    if failed:
        told = "; ".join(f"{result.name}: {result.broken} rows" for result in failed)
        raise QualityError(
            f"{table.name}: {len(failed)} checks that must hold do not ({told})",
            hint="nothing was committed; mend the source or the model and run it again",
        )


def _move(engine: Engine, table: Table, checks: Sequence[Check], rows: str, refused: str) -> int:
    if not checks:
        return 0
    listed = ", ".join(
        f"case when {check.broken} then {_quoted(check.name)} end" for check in checks
    )
    columns = ", ".join(table.columns)
    engine.execute(
        f"create or replace table work.judged as select {columns}, "
        f"list_filter([{listed}], lambda name: name is not null) as {BROKE} from {rows}"
    )
    engine.execute(f"insert into {refused} select * from work.judged where len({BROKE}) > 0")
    engine.execute(
        f"create or replace table {rows} as "
        f"select {columns} from work.judged where len({BROKE}) = 0"
    )
    moved = engine.count(f"select count(*) from work.judged where len({BROKE}) > 0")
    engine.execute("drop table work.judged")
    return moved


def _quoted(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"


def _column(check: Check) -> str | None:
    return check.columns[0] if len(check.columns) == 1 else None
