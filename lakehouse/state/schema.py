"""The tables of the state, in the SQL that SQLite and PostgreSQL both speak.

Instants are text in ISO 8601, UTC, so that they sort. No column may hold what a sender wrote: no
record, no file name, no value that a check refused.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

RELEASE = "3"
"""Changes with the tables; a state of another release is dropped and followed anew."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One table: its columns with their types, its key, and what it is looked up by besides."""

    columns: Mapping[str, str]
    key: tuple[str, ...]
    indexes: tuple[tuple[str, ...], ...] = ()


_TEXT, _NUMBER = "text", "bigint"


def _shape(key: str, texts: str, numbers: str, *indexes: str) -> Shape:
    columns = dict.fromkeys(texts.split(), _TEXT) | dict.fromkeys(numbers.split(), _NUMBER)
    return Shape(columns, tuple(key.split()), tuple(tuple(index.split()) for index in indexes))


TABLES: Mapping[str, Shape] = {
    # which lake and which release this is the state of
    "about": _shape("name", "name value", ""),
    # how far each log has been read
    "followed": _shape("name", "name", "version"),
    "version": _shape(
        "table_name version",
        "table_name at operation job run_id mode",
        "version rows bytes quarantined is_maintenance",
        "table_name at",
    ),
    "check_result": _shape(
        "table_name version name", "table_name name on_fail", "version broken"
    ),
    "arrival": _shape(
        "sequence", "feed object_id received_at export_at", "sequence bytes is_manifest",
        "feed received_at", "object_id",
    ),
    "load": _shape(
        "feed last_sequence", "feed at run_id",
        "first_sequence last_sequence records good unchanged quarantined blank missing",
    ),
    # one row a reason: a row of a built table may break several checks
    "refusal": _shape(
        "table_name sequence line entry reason",
        "table_name object_id reason",
        "sequence line entry byte_offset",
        "table_name reason sequence line entry",
    ),
    "act": _shape(
        "number", "feed at by_whom act why reason table_name since_at", "number sequence line",
        "feed number",
    ),
    "question": _shape(
        "feed first_sequence", "feed at",
        "number first_sequence last_sequence records refused",
    ),
    "decision": _shape(
        "feed first_sequence", "feed at by_whom", "first_sequence last_sequence is_accepted"
    ),
    # what an upkeep looked through, and the lineage that it stored, is a row without a table
    "upkeep": _shape(
        "number table_name", "table_name at by_whom",
        "number joined removed is_left_alone events rebuilt n_looked n_unread",
    ),
    # the records of a feed that were looked through are a row without a view and a path
    "finding": _shape(
        "number feed first_sequence view_name path",
        "at feed view_name path column_names",
        "number first_sequence last_sequence n_unread n_looked",
        "view_name path",
    ),
    "run": _shape(
        "run_id", "run_id job started_at ended_at outcome error", "",
        "started_at", "job started_at",
    ),
    "run_dataset": _shape(
        "run_id direction name version",
        "run_id direction name",
        "version rows bytes quarantined",
        "name version",
    ),
    "edge": _shape(
        "table_name number",
        "table_name column_name source source_column path kind subtype how",
        "number version",
        "source",
    ),
}  # fmt: skip


def statements() -> Iterator[str]:
    """What makes the tables where they are not there yet."""
    for name, shape in TABLES.items():
        columns = ", ".join(f"{column} {kind}" for column, kind in shape.columns.items())
        yield f"create table if not exists {name} ({columns}, primary key ({', '.join(shape.key)}))"
        for index in shape.indexes:
            told = "_".join((name, *index))
            yield f"create index if not exists {told} on {name} ({', '.join(index)})"
