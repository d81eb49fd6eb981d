"""The catalogue: every table that is declared, found by its words; and all that is known of one."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lakehouse.answers.findings import Unread, list_unread, looked_last, views_of
from lakehouse.catalog.load import Catalog
from lakehouse.catalog.spec import Table, Write
from lakehouse.state.store import Row, State

VERSIONS = 20
"""So many versions of a table are shown."""

_NOW = """
    select v.table_name, v.version, v.at, v.rows, v.bytes, d.changed_at, d.checked_version
    from version as v join followed as f on f.name = v.table_name and f.version = v.version
    left join (
      select table_name, max(at) as changed_at, max(version) as checked_version
      from version where is_maintenance = 0 group by table_name
    ) as d on d.table_name = v.table_name"""
_CHECKED = """
    select c.table_name, count(*) as checks, sum(case when broken = 0 then 1 else 0 end) as passed
    from check_result as c join (
      select table_name, max(version) as version from check_result group by table_name
    ) as newest on newest.table_name = c.table_name and newest.version = c.version
    group by c.table_name"""
_WAITING = """
    select table_name, count(*) as n from (
      select distinct table_name, sequence, line, entry from refusal
    ) as placed group by table_name"""
_REASONS = """
    select reason, count(*) as n from refusal where table_name = :waits
    group by reason order by n desc, reason"""
_VERSIONS = """
    select v.version, v.at, v.operation, v.job, v.run_id, v.mode, v.quarantined, v.is_maintenance,
      coalesce(v.rows, (
        select max(d.rows) from run_dataset as d
        where d.name = v.table_name and d.version = v.version and d.direction = 'outputs'
      )) as rows
    from version as v where v.table_name = :name order by v.version desc limit :most"""
_RESULTS = """
    select c.version, v.at, c.name, c.on_fail, c.broken from check_result as c
    join version as v on v.table_name = c.table_name and v.version = c.version
    where c.table_name = :name and c.version in (
      select distinct version from check_result where table_name = :name
      order by version desc limit :most
    ) order by c.name, c.version"""


@dataclass(frozen=True, slots=True)
class TableState:
    """One table as it stands; `waiting` rows of it are quarantined, `found` are the columns that a
    search came upon."""

    name: str
    about: str
    owner: str
    kind: str
    columns: int
    rows: int | None
    bytes: int | None
    version: int | None
    changed_at: str | None
    checks: int
    passed: int
    waiting: int
    found: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ColumnState:
    """One column of a table, as it is declared."""

    name: str
    type: str
    unit: str | None
    phi: str
    system: str | None
    means: str
    is_key: bool


@dataclass(frozen=True, slots=True)
class CheckHistory:
    """The results of one check at the last versions, oldest first: (version, at, broken rows)."""

    name: str
    on_fail: str
    results: tuple[tuple[int, str, int], ...]

    @property
    def broken(self) -> int:
        """How many rows broke it at the last build."""
        return self.results[-1][2]


@dataclass(frozen=True, slots=True)
class TableDetail:
    """All that is known of one table. `views` of ViewDefinitions are what it is or reads, `unread`
    what these could not read, and `looked_at` when a night last looked; None where none did."""

    state: TableState
    key: tuple[str, ...]
    by: str | None
    keep: str
    path: str
    sql: str
    columns: tuple[ColumnState, ...]
    versions: tuple[Row, ...]
    checks: tuple[CheckHistory, ...]
    reads: tuple[str, ...]
    read_by: tuple[str, ...]
    waits_in: str | None
    reasons: tuple[tuple[str, int], ...]
    views: tuple[str, ...]
    unread: tuple[Unread, ...]
    looked_at: str | None


def list_tables(state: State, catalog: Catalog, words: str = "") -> list[TableState]:
    """Every declared table in the order of the layers, or those that all the words are found in:
    in names, meanings, owners, columns and PHI classes."""
    now, checked, waiting = (
        {row["table_name"]: row for row in state.ask(sql)} for sql in (_NOW, _CHECKED, _WAITING)
    )
    wanted = words.lower().split()
    return [
        _state(table, now, checked, waiting, _found(catalog, table, wanted))
        for table in catalog.tables.values()
        if all(any(word in text for text in _texts(catalog, table)) for word in wanted)
    ]


def describe_table(state: State, catalog: Catalog, name: str) -> TableDetail:
    """All that is known of one table; raises SpecError for a name that nothing declares."""
    table = catalog.table(name)
    now, checked, waiting = (
        {row["table_name"]: row for row in state.ask(sql)} for sql in (_NOW, _CHECKED, _WAITING)
    )
    waits_in = table.quarantine().name if table.is_model else None
    reasons = state.ask(_REASONS, waits=waits_in or table.name)
    views = views_of(catalog, table)
    return TableDetail(
        state=_state(table, now, checked, waiting, ()),
        key=table.key,
        by=", ".join(table.by.columns) if table.by else None,
        keep=table.keep,
        path=table.path,
        sql=table.sql,
        columns=tuple(_column(catalog, table, column) for column in table.columns),
        versions=tuple(state.ask(_VERSIONS, name=name, most=VERSIONS)),
        checks=tuple(_histories(state.ask(_RESULTS, name=name, most=VERSIONS))),
        reads=table.reads,
        read_by=tuple(sorted(t.name for t in catalog.tables.values() if name in t.reads)),
        waits_in=waits_in,
        reasons=tuple((row["reason"], row["n"]) for row in reasons),
        views=tuple(views),
        unread=tuple(list_unread(state, views)),
        looked_at=looked_last(state) if views else None,
    )


def _state(
    table: Table,
    now: Mapping[str, Row],
    checked: Mapping[str, Row],
    waiting: Mapping[str, Row],
    found: Iterable[str],
) -> TableState:
    here, results = now.get(table.name, {}), checked.get(table.name, {})
    waits_in = table.quarantine().name if table.is_model else table.name
    return TableState(
        name=table.name,
        about=table.about.strip(),
        owner=table.owner,
        kind="view" if table.write is Write.VIEW else "built" if table.is_model else "filled",
        columns=len(table.columns),
        rows=here.get("rows"),
        bytes=here.get("bytes"),
        version=here.get("version"),
        changed_at=here.get("changed_at"),
        checks=results.get("checks", 0),
        passed=results.get("passed", 0),
        waiting=waiting.get(waits_in, {}).get("n", 0),
        found=tuple(found),
    )


def _texts(catalog: Catalog, table: Table) -> list[str]:
    texts = [table.name, table.about, table.owner]
    for name in table.columns:
        texts += _column_texts(catalog, table, name)
    return [text.lower() for text in texts]


def _column_texts(catalog: Catalog, table: Table, name: str) -> list[str]:
    column = catalog.column(table, name)
    return [name, column.means, f"phi:{column.phi.value}"]


def _found(catalog: Catalog, table: Table, wanted: Sequence[str]) -> list[str]:
    """The columns in which a word is found."""
    return [
        name
        for name in table.columns
        if any(w in text.lower() for w in wanted for text in _column_texts(catalog, table, name))
    ]


def _column(catalog: Catalog, table: Table, name: str) -> ColumnState:
    column = catalog.column(table, name)
    return ColumnState(
        name, column.type, column.unit, column.phi.value, column.system, column.means,
        name in table.key,
    )  # fmt: skip


def _histories(rows: Sequence[Row]) -> Iterable[CheckHistory]:
    groups: dict[tuple[str, str], list[tuple[int, str, int]]] = {}
    for row in rows:
        told = row["version"], row["at"], row["broken"]
        groups.setdefault((row["name"], row["on_fail"]), []).append(told)
    newest = max((row["version"] for row in rows), default=None)
    for (name, on_fail), results in groups.items():
        if results[-1][0] == newest:  # what is no longer declared is not shown
            yield CheckHistory(name, on_fail, tuple(results))
