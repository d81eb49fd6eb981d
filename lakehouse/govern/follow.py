"""The state follows the lake: what the tables' logs, the ledger and the quarantines tell is
entered, each once, as far as it was not followed yet.

Nothing else is ever written there, so a process that is killed between its commit and this is made
up for by the next one that follows the table, at the latest by `govern`.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from lakehouse.catalog.spec import BROKE, DISMISSED
from lakehouse.errors import QualityError, StoreError
from lakehouse.govern.maintain import stored_tables
from lakehouse.lineage import collect, outbox
from lakehouse.lineage.told import keep_events
from lakehouse.log import get_logger
from lakehouse.state.store import Change, Row, State, open_state
from lakehouse.storage.commit import Commit
from lakehouse.storage.engine import engine_for
from lakehouse.storage.lake import Lake, Stored

_LEDGER, _ACTS, _EVENTS = "landing.ledger", "audit.act", "lineage.event"
_QUESTIONS, _DECISIONS = "audit.question", "audit.decision"
_UPKEEPS, _FINDINGS = "audit.upkeep", "audit.finding"
_COUNTS = ("records", "good", "unchanged", "quarantined", "blank", "missing")
_NEVER = -1
_AT_ONCE = 10
"""So many nights may be at work at once, and are told of all the same."""
_WHOLE = {
    _QUESTIONS: (
        "question",
        "select feed, asked_at as at, question_number as number, first_sequence, last_sequence, "
        "n_record as records, n_refused as refused from audit.question",
    ),
    # without the reason, which are free words
    _DECISIONS: (
        "decision",
        "select feed, decided_at as at, decided_by as by_whom, first_sequence, last_sequence, "
        "is_accepted from audit.decision",
    ),
}
"""Tables that are followed whole: what of the state they fill, and with which rows."""

log = get_logger()


def follow(lake: Lake, names: Iterable[str]) -> None:
    """Enter into the state what these tables' logs tell beyond what it knows; raises StoreError."""
    state = open_state(lake.settings)
    for name in names:
        stored = lake.find(name)
        if stored:
            _follow(lake, state, stored)


def follow_written(lake: Lake) -> None:
    """Follow the tables that the work now running has written.

    The rows are in the lake already: a state that cannot be written is no failure of that work.
    """
    outputs = {name for name, _ in collect.collected().outputs}
    try:
        follow(lake, sorted(name for name in outputs if not name.startswith("landing/")))
    except StoreError as error:
        log.warning("the state was not written", error=type(error).__name__)


@contextmanager
def following(lake: Lake) -> Iterator[None]:
    """Follow what the work within writes, also where it ends in a refusal: that leaves a question
    to people behind."""
    try:
        yield
    except QualityError:
        follow_written(lake)
        raise
    follow_written(lake)


def follow_all(lake: Lake) -> int:
    """Follow every stored table; how many there are."""
    state = open_state(lake.settings)
    number = 0
    for stored in stored_tables(lake):
        _follow(lake, state, stored)
        number += 1
    return number


def rebuild(lake: Lake) -> int:
    """Make the state anew from nothing but the lake; how many tables it tells of."""
    state = open_state(lake.settings)
    state.clear()
    for texts in _events(lake):
        keep_events(state, texts)
    keep_events(state, [path.read_text() for path in outbox.waiting(lake.settings.outbox)])
    return follow_all(lake)


def _follow(lake: Lake, state: State, stored: Stored) -> None:
    name, known = stored.table.name, state.followed(stored.table.name)
    if known is not None and known >= stored.version:
        return
    commits = stored.history() if known is None else stored.since(known)
    versions = _versions(stored, commits)
    checks = [row for commit in commits for row in _checks(commit)]
    loads = [row for commit in commits if commit.is_load for row in _loads(commit)]
    more = _more(lake, state, stored, commits, is_known=known is not None)
    with state.change() as change:
        if (change.followed(name) or _NEVER) >= stored.version:
            return  # somebody was quicker, and saw more
        change.put("version", versions)
        change.put("check_result", checks)
        change.put("load", loads)
        _enter(change, name, *more)
        change.follow(name, stored.version)


_More = tuple[str, bool, Sequence[Row]]
"""A table of the state, whether the rows replace all that it has of this one, and the rows."""


def _enter(change: Change, name: str, table: str, is_whole: bool, rows: Sequence[Row]) -> None:
    if is_whole:
        change.drop(table, table_name=name)
    if table:
        change.put(table, rows)


def _more(
    lake: Lake, state: State, stored: Stored, commits: Sequence[Commit], *, is_known: bool
) -> _More:
    name = stored.table.name
    told = {
        _LEDGER: ("arrival", _arrivals),
        _ACTS: ("act", _acts),
        _UPKEEPS: ("upkeep", _upkeeps),
        _FINDINGS: ("finding", _findings),
    }
    if name in told:
        table, rows = told[name]
        return table, False, rows(lake, state, stored)
    if name in _WHOLE:
        # of these few rows come, and seldom
        return _WHOLE[name][0], False, _select(lake, stored, _WHOLE[name][1], {})
    if stored.table.layer != "quarantine" or all(commit.is_upkeep for commit in commits):
        return "", False, []
    if BROKE in stored.table.columns:
        return "refusal", True, list(_broken(lake, stored))
    # a load only adds; what a person decided takes rows away or gives them other reasons
    is_added = is_known and all(c.is_load or c.is_upkeep for c in commits)
    return "refusal", not is_added, _refused(lake, state, stored, is_added=is_added)


def _versions(stored: Stored, commits: Sequence[Commit]) -> list[Row]:
    rows, size = stored.measure()
    return [
        {
            "table_name": commit.table,
            "version": commit.version,
            "at": _instant(commit.at),
            "operation": commit.operation,
            "job": None if commit.is_upkeep else commit.state.get("job"),
            "run_id": None if commit.is_upkeep else commit.state.get("run"),
            "mode": commit.state.get("mode"),
            "rows": rows if commit.version == stored.version else None,
            "bytes": size if commit.version == stored.version else None,
            "quarantined": commit.state.get("quarantined"),
            "is_maintenance": int(commit.is_upkeep),
        }
        for commit in commits
    ]


def _checks(commit: Commit) -> Iterator[Row]:
    for told in () if commit.is_upkeep else commit.state.get("checks", ()):
        kept = {name: told[name] for name in ("name", "on_fail", "broken")}
        yield {"table_name": commit.table, "version": commit.version, **kept}


def _loads(commit: Commit) -> Iterator[Row]:
    """What a load counted, as its last commit tells it."""
    layer, _, noun = commit.table.partition(".")
    if layer == "bronze" and not noun.endswith("_seen") and "records" in commit.state:
        first, last = commit.state["entries"]
        yield {
            "feed": commit.state["feed"],
            "at": _instant(commit.at),
            "run_id": commit.state.get("run"),
            "first_sequence": first,
            "last_sequence": last,
            **{name: commit.state.get(name, 0) for name in _COUNTS},
        }


def _arrivals(lake: Lake, state: State, stored: Stored) -> list[Row]:
    """What the ledger holds beyond what is known, but for the names that senders give to files."""
    return _select(
        lake,
        stored,
        "select feed, object_id, sequence, bytes, received_at, export_at, is_manifest "
        "from landing.ledger where sequence > $after",
        {"after": _highest(state, "select max(sequence) as known from arrival")},
    )


def _acts(lake: Lake, state: State, stored: Stored) -> list[Row]:
    return _select(
        lake,
        stored,
        "select act_number as number, feed, act_at as at, act_by as by_whom, act, why, reason, "
        f"sequence, _line as line{_later(stored, table_name='table_name', since_at='since_at')} "
        "from audit.act where act_number > $after",
        {"after": _highest(state, "select max(number) as known from act")},
    )


def _upkeeps(lake: Lake, state: State, stored: Stored) -> list[Row]:
    """The last number that is known once more: what it looked through and what it stored of the
    lineage come behind."""
    return _select(
        lake,
        stored,
        "select upkeep_number as number, coalesce(table_name, '') as table_name, "
        "min(upkeep_at) as at, max(upkeep_by) as by_whom, max(n_file_joined) as joined, "
        "max(n_file_removed) as removed, max(is_left_alone) as is_left_alone, "
        "max(n_event) as events, max(n_event_rebuilt) as rebuilt"
        f"{_later(stored, n_looked='max(n_looked)', n_unread='max(n_unread)')} "
        "from audit.upkeep where upkeep_number >= $from group by all",
        {"from": _highest(state, "select max(number) as known from upkeep")},
    )


def _findings(lake: Lake, state: State, stored: Stored) -> list[Row]:
    """The last numbers that are known once more: a night writes them in several turns, and beside
    another one where somebody starts it by hand."""
    return _select(
        lake,
        stored,
        "select upkeep_number as number, looked_at as at, feed, first_sequence, last_sequence, "
        "coalesce(view_name, '') as view_name, coalesce(json_path, '') as path, "
        "array_to_string(column_names, ' ') as column_names, n_unread, n_looked "
        "from audit.finding where upkeep_number >= $from",
        {"from": _highest(state, "select max(number) as known from finding") - _AT_ONCE},
    )


def _later(stored: Stored, **columns: str) -> str:
    """What is told of columns that a table has got since the first lakes."""
    known = stored.stored_columns()
    return "".join(
        f", {told if name in known else 'null'} as {name}" for name, told in columns.items()
    )


def _refused(lake: Lake, state: State, stored: Stored, *, is_added: bool) -> list[Row]:
    name = stored.table.name
    known = "select max(sequence) as known from refusal where table_name = :name"
    found = _select(
        lake,
        stored,
        "select _object as object_id, _sequence as sequence, _line as line, 0::bigint as entry, "
        f"_offset as byte_offset, reason from {name} where _sequence > $after",
        {"after": _highest(state, known, name=name) if is_added else _NEVER},
    )
    return [{"table_name": name, **row} for row in found]


def _broken(lake: Lake, stored: Stored) -> Iterator[Row]:
    """The rows of a built table that wait, by the checks they broke, without those that a person
    has dismissed: where their records stand, as far as the table tells it, never what they hold."""
    table = stored.table
    places = {name.lstrip("_"): name for name in ("_sequence", "_line", "_entry")}
    told = [
        f"{place if place in table.columns else 'null::bigint'} as {name}"
        for name, place in places.items()
    ]
    waits = f" where {DISMISSED} is null" if DISMISSED in stored.stored_columns() else ""
    sql = f"select {', '.join(told)}, {BROKE} as broken from {table.name}{waits}"
    for number, row in enumerate(_select(lake, stored, sql, {})):
        for reason in row["broken"]:
            is_placed = row["sequence"] is not None
            yield {
                "table_name": table.name,
                "object_id": None,
                "sequence": row["sequence"] if is_placed else _NEVER,
                "line": row["line"] if is_placed else number,
                "entry": row["entry"] or 0,
                "byte_offset": None,
                "reason": reason,
            }


def _select(lake: Lake, stored: Stored, sql: str, values: dict[str, Any]) -> list[Row]:
    with engine_for(lake) as engine:
        engine.attach(stored.table, stored.version)
        found: list[dict[str, Any]] = engine.table(sql, values or None).to_pylist()
    return [{name: _plain(value) for name, value in row.items()} for row in found]


def _highest(state: State, sql: str, **values: Any) -> int:
    found = [row["known"] for row in state.ask(sql, **values)]
    return int(found[0]) if found and found[0] is not None else _NEVER


def _events(lake: Lake) -> Iterator[list[str]]:
    stored = lake.find(_EVENTS)
    if stored is None:
        return
    with engine_for(lake) as engine:
        engine.attach(stored.table, stored.version)
        for batch in engine.stream(f"select payload from {_EVENTS} order by event_at"):
            yield batch["payload"].to_pylist()


def _plain(value: Any) -> Any:
    match value:
        case datetime():
            return _instant(value)
        case bool():
            return int(value)
    return value


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds")
