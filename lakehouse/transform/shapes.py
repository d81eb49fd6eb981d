"""The JSON paths that the SQL of a model takes out of resources."""

import json
from collections.abc import Iterator
from typing import Any

from sqlglot import exp

JSON_MACRO = "fhir_shape"
"""The macro that opens a JSON text: what is taken out of its result has a JSON path."""


def shaped_paths(query: exp.Query) -> frozenset[str]:
    """All paths, without indices, that the shapes of a file take out of JSON."""
    opened = (f for f in query.find_all(exp.Anonymous) if f.name == JSON_MACRO)
    shapes = [json.loads(call.expressions[1].name) for call in opened]
    return frozenset(path for shape in shapes for path in _paths("$", shape))


def _paths(path: str, shape: Any) -> Iterator[str]:
    yield path
    if isinstance(shape, dict):
        for name, inner in shape.items():
            yield from _paths(f"{path}.{name}", inner)
    elif isinstance(shape, list):
        yield from _paths(path, shape[0])
