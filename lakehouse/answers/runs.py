"""Runs: what each piece of work read and wrote, and the way of one landed object through them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from lakehouse.state.store import Row, State

PAGE = 50
"""So many runs are shown at once."""

_LISTED = """
    select run_id, job, started_at, ended_at, outcome, error from run
    where (:job is null or job = :job) and (:outcome is null or outcome = :outcome)
    order by started_at desc limit :most offset :start"""
_OF_TABLE = """
    select r.run_id, r.job, r.started_at, r.ended_at, r.outcome, r.error from run as r
    where r.run_id in (select run_id from run_dataset where name = :name)
      and (:outcome is null or r.outcome = :outcome)
    order by r.started_at desc limit :most offset :start"""
_ONE = "select run_id, job, started_at, ended_at, outcome, error from run where run_id = :run"
_DATASETS = """
    select direction, name, version, rows, bytes, quarantined from run_dataset
    where run_id = :run order by direction, name, version"""
_BATCH = """
    select feed, at, first_sequence, last_sequence, records, good, unchanged, quarantined, blank,
      missing from load where run_id = :run"""
_CHECKS = """
    select c.table_name, c.version, c.name, c.on_fail, c.broken
    from run_dataset as d join check_result as c on c.table_name = d.name and c.version = d.version
    where d.run_id = :run and d.direction = 'outputs' order by c.table_name, c.name"""
_ARRIVALS = """
    select sequence, feed, received_at, export_at, bytes, is_manifest from arrival
    where object_id = :object order by sequence"""
_LOAD = """
    select l.*, r.started_at, r.ended_at, d.name as table_name, d.version
    from load as l left join run as r on r.run_id = l.run_id
    left join run_dataset as d on d.run_id = l.run_id and d.direction = 'outputs'
      and d.name like 'bronze.%' and d.name not like '%\\_seen' escape '\\'
    where l.feed = :feed and l.first_sequence <= :sequence and l.last_sequence >= :sequence
    order by l.last_sequence limit 1"""
_BUILDS = """
    select name, version, run_id, job, started_at, ended_at from (
      select o.name, o.version, r.run_id, r.job, r.started_at, r.ended_at,
        row_number() over (partition by o.name order by o.version) as nth
      from run_dataset as i
      join run_dataset as o on o.run_id = i.run_id and o.direction = 'outputs'
      join run as r on r.run_id = i.run_id
      where i.direction = 'inputs' and i.name = :name and i.version >= :version
        and o.name not like 'quarantine.%'
    ) as built where nth = 1 order by started_at"""


@dataclass(frozen=True, slots=True)
class RunState:
    """One run; `seconds` is None while it goes on."""

    run_id: str
    job: str
    started_at: str | None
    ended_at: str | None
    seconds: float | None
    outcome: str | None
    error: str | None


@dataclass(frozen=True, slots=True)
class RunDetail:
    """What a run read and wrote, the batch that it loaded, and how its checks went."""

    run: RunState
    inputs: tuple[Row, ...]
    outputs: tuple[Row, ...]
    objects: tuple[str, ...]
    batch: Row | None
    checks: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One delivery of an object: the load that took it in, and the first build of each table
    behind it."""

    arrival: Row
    load: Row | None
    builds: tuple[Row, ...]


def list_runs(
    state: State,
    *,
    table: str | None = None,
    job: str | None = None,
    outcome: str | None = None,
    start: int = 0,
) -> list[RunState]:
    """Some runs, newest first: all, or those of a job, or those that read or wrote a table."""
    page = {"outcome": outcome, "most": PAGE, "start": start}
    if table:
        return [_run(row) for row in state.ask(_OF_TABLE, name=table, **page)]
    return [_run(row) for row in state.ask(_LISTED, job=job, **page)]


def describe_run(state: State, run_id: str) -> RunDetail | None:
    """All that is known of one run; None for one that nobody told of."""
    found = state.ask(_ONE, run=run_id)
    if not found:
        return None
    datasets, batch = state.ask(_DATASETS, run=run_id), state.ask(_BATCH, run=run_id)
    objects = [row["name"].removeprefix(_LANDING) for row in datasets if _is_object(row)]
    return RunDetail(
        _run(found[0]),
        _tables(datasets, "inputs"),
        _tables(datasets, "outputs"),
        tuple(dict.fromkeys(objects)),
        batch[0] if batch else None,
        tuple(state.ask(_CHECKS, run=run_id)),
    )


def follow_object(state: State, object_id: str) -> list[Step]:
    """The way of a landed object, each time that it was delivered."""
    return [_step(state, arrival) for arrival in state.ask(_ARRIVALS, object=object_id)]


_LANDING = "landing/"


def _step(state: State, arrival: Row) -> Step:
    loads = state.ask(_LOAD, feed=arrival["feed"], sequence=arrival["sequence"])
    load = loads[0] if loads else None
    if load is None or load["table_name"] is None:
        return Step(arrival, load, ())
    builds = state.ask(_BUILDS, name=load["table_name"], version=load["version"])
    return Step(arrival, load, tuple(builds))


def _is_object(row: Row) -> bool:
    return bool(row["name"].startswith(_LANDING))


def _tables(datasets: Sequence[Row], direction: str) -> tuple[Row, ...]:
    return tuple(r for r in datasets if r["direction"] == direction and not _is_object(r))


def _run(row: Row) -> RunState:
    began, ended = row["started_at"], row["ended_at"]
    seconds = None
    if began and ended:
        spent = datetime.fromisoformat(ended) - datetime.fromisoformat(began)
        seconds = round(spent.total_seconds(), 1)
    return RunState(row["run_id"], row["job"], began, ended, seconds, row["outcome"], row["error"])
