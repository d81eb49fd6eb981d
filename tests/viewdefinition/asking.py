"""One path over a few resources, and what its column holds."""

from collections.abc import Mapping
from typing import Any

from lakehouse.transform.views import evaluate

Resource = dict[str, Any]


def patient(**more: Any) -> Resource:
    return {"resourceType": "Patient", "id": "p", **more}


def observation(**more: Any) -> Resource:
    return {"resourceType": "Observation", "id": "o", **more}


def view(resource: str, *columns: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """A view of one select with these columns."""
    return {"resource": resource, "select": [{"column": list(columns)}], **more}


def column(name: str, path: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "path": path, **more}


def ask(path: str, *resources: Resource, **more: Any) -> list[Any]:
    """The values of a column with this path, a resource each; one empty patient where none is given."""
    told = resources or (patient(),)
    found = evaluate(view(told[0]["resourceType"], column("v", path, **more)), told)
    return list(found["v"].to_pylist())
