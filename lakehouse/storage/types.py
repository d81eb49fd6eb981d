"""The lake's column types, as Arrow says them."""

from collections.abc import Iterable, Mapping

import pyarrow as pa

from lakehouse.catalog.spec import Column

ARROW: Mapping[str, pa.DataType] = {
    "varchar": pa.string(),
    "varchar[]": pa.list_(pa.string()),
    "bigint": pa.int64(),
    "integer": pa.int32(),
    "double": pa.float64(),
    "decimal(18,6)": pa.decimal128(18, 6),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamptz": pa.timestamp("us", "UTC"),
    "blob": pa.binary(),
}


def arrow_schema(columns: Iterable[Column]) -> pa.Schema:
    """The Arrow schema of a table with these columns, in this order."""
    return pa.schema([pa.field(column.name, ARROW[column.type]) for column in columns])


def plain_types(schema: pa.Schema) -> list[str]:
    """The types of a schema, alike where only the writing of texts or lists differs."""
    views = {"string_view": "string", "binary_view": "binary", "large_string": "string"}
    # the same list of texts, as Arrow and as Parquet call its parts
    types = (str(field.type).replace("<element:", "<item:") for field in schema)
    return [views.get(name, name) for name in types]
