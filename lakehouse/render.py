"""Answers as text for a person, or as CSV and JSON for a program."""

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, BinaryIO, TextIO

import pyarrow as pa
from pyarrow import parquet

from lakehouse.lineage.collect import Edge
from lakehouse.transform.ancestry import Ancestor
from lakehouse.transform.columns import EVERY
from lakehouse.transform.trace import Step

_MOST_LINES = 200
_MOST_LANDINGS = 5


def table_lines(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """A table in columns, numbers to the right."""
    cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
    yield "  ".join(map(str.ljust, header, widths)).rstrip()
    yield "  ".join("-" * width for width in widths)
    for row in cells:
        yield "  ".join(_justify(*pair) for pair in zip(row, widths, strict=True)).rstrip()


def _justify(cell: str, width: int) -> str:
    is_number = cell.lstrip("-").replace(".", "", 1).isdigit()
    return cell.rjust(width) if is_number else cell.ljust(width)


def write_rows(rows: pa.RecordBatchReader, form: str, out: TextIO) -> None:
    """Write a query's rows as `table`, `csv` (with a header) or `json` (one array)."""
    match form:
        case "csv":
            writer = csv.writer(out, lineterminator="\n")
            writer.writerow(rows.schema.names)
            for batch in rows:
                writer.writerows(zip(*map(_cells, batch.columns), strict=True))
        case "json":
            listed = [row for batch in rows for row in batch.to_pylist()]
            out.write(json.dumps(listed, default=_plain) + "\n")
        case _:
            _write_table(rows, out)


def _cells(column: pa.Array) -> list[Any]:
    """Values as CSV has them; a list is written in JSON."""
    listed: list[Any] = column.to_pylist()
    if not pa.types.is_list(column.type):
        return listed
    return [None if cell is None else json.dumps(cell, default=_plain) for cell in listed]


def write_parquet(rows: pa.RecordBatchReader, out: BinaryIO) -> None:
    """Write a query's rows as one Parquet file, zstd inside."""
    with parquet.ParquetWriter(out, rows.schema, compression="zstd") as writer:
        for batch in rows:
            writer.write_batch(batch)


def _write_table(rows: pa.RecordBatchReader, out: TextIO) -> None:
    listed = [tuple(row.values()) for batch in rows for row in batch.to_pylist()]
    for line in table_lines(rows.schema.names, listed[:_MOST_LINES]):
        out.write(line + "\n")
    if len(listed) > _MOST_LINES:
        out.write(f"({len(listed)} rows, the first {_MOST_LINES} shown; --format csv has all)\n")


def _plain(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


def lineage_lines(name: str, found: Sequence[Ancestor]) -> Iterator[str]:
    """A column, how it is made and what it comes from, the deeper the further in; then the rows."""
    yield name
    columns = [ancestor for ancestor in found if ancestor.edge.column != EVERY]
    for (depth, table, column), edges in _grouped(columns).items():
        how = next((edge.how for edge in edges if edge.how), "")
        indent = "  " * (depth + 1)
        yield f"{indent}{table}.{column}{' = ' + ' '.join(how.split()) if how else ''}"
        yield from (f"{indent}  {line}" for line in _sources(edges))
    rows = [ancestor for ancestor in found if ancestor.edge.column == EVERY]
    for (depth, table, _), edges in _grouped(rows).items():
        indent = "  " * (depth + 1)
        yield f"{indent}which rows {table} has"
        yield from (f"{indent}  {line}" for line in _sources(edges))


def _grouped(found: Sequence[Ancestor]) -> dict[tuple[int, str, str], list[Edge]]:
    groups: dict[tuple[int, str, str], list[Edge]] = {}
    for ancestor in found:
        place = (ancestor.depth, ancestor.table, ancestor.edge.column)
        groups.setdefault(place, []).append(ancestor.edge)
    return groups


def _sources(edges: Sequence[Edge]) -> Iterator[str]:
    """What is taken over first, then by what it is decided; one line a table."""
    for kind, word in (("DIRECT", "from"), ("INDIRECT", "decided by")):
        named: dict[str, list[str]] = {}
        for edge in edges:
            if edge.kind == kind:
                column = f"{edge.source_column or '(rows)'}{' ' + edge.path if edge.path else ''}"
                named.setdefault(edge.source, []).append(column)
        for source, columns in named.items():
            yield f"{word} {source}: {', '.join(dict.fromkeys(columns))}"


def trace_lines(step: Step, depth: int = 0) -> Iterator[str]:
    """A row and what it came from, the deeper the further in."""
    indent = "  " * depth
    tied = f" by {', '.join(step.by)}"
    yield f"{indent}{step.table} version {step.version}: {step.rows} rows{tied}"
    for landing in step.landings[:_MOST_LANDINGS]:
        yield (
            f"{indent}  {landing.feed} delivery {landing.sequence}, line {landing.line} of "
            f"landing/{landing.object_id} (received {landing.received_at})"
        )
    if len(step.landings) > _MOST_LANDINGS:
        yield f"{indent}  and {len(step.landings) - _MOST_LANDINGS} more lines"
    for below in step.steps:
        yield from trace_lines(below, depth + 1)
