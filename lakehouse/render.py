"""Answers as text for a person, or as CSV and JSON for a program."""

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, BinaryIO, TextIO

import pyarrow as pa
from pyarrow import parquet

from lakehouse.govern.overview import TableState

_MOST_LINES = 200


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


def state_lines(states: Iterable[TableState]) -> Iterator[str]:
    """The tables that are there: rows, version, checks, quarantine. Nothing is left empty."""
    rows = [
        (s.name, s.rows, s.version, f"{s.passed}/{s.checks}" if s.checks else "", s.waiting or "")
        for s in states
        if s.version is not None
    ]
    return table_lines(("table", "rows", "version", "checks passed", "in quarantine"), rows)


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
