"""What an event says, read back from its JSON: datasets with their versions, the edges of columns;
and the same in the state, where pages find it."""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from lakehouse.lineage.collect import EVERY
from lakehouse.state.store import Change, Row, State

Event = Mapping[str, Any]

_BEGIN, _ENDS = "START", ("COMPLETE", "FAIL", "ABORT")
_MOST_ERROR = 300


def named_version(dataset: Mapping[str, Any]) -> dict[str, Any]:
    """A dataset's name, version and rows."""
    measured = _measured(dataset)
    return {"name": dataset["name"], "version": _version(dataset), "rows": measured.get("rowCount")}


def column_edges(run: str, dataset: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The edges of an output's columns, as `lineage.column` has them."""
    lineage = (dataset.get("facets") or {}).get("columnLineage") or {}
    columns = {name: field["inputFields"] for name, field in lineage.get("fields", {}).items()}
    for column, sources in (columns | {EVERY: lineage.get("dataset") or []}).items():
        for source in sources:
            (step,) = source["transformations"]
            yield {
                "table_name": dataset["name"],
                "column_name": column,
                "source_table": source["name"],
                "source_column": None if source["field"] == EVERY else source["field"],
                "path": step.get("path"),
                "kind": step["type"],
                "subtype": step.get("subtype"),
                "how": _how(step),
                "run_id": run,
                "version": _version(dataset),
            }


def keep_events(state: State, texts: Iterable[str]) -> None:
    """Enter what events say into the state; again, or in another order, changes nothing."""
    told = [json.loads(text) for text in texts]
    with state.change() as change:
        for event in told:
            # a whole DAG run is told of by its tasks
            if "." in event["job"]["name"]:
                _keep(change, event)


def _keep(change: Change, event: Event) -> None:
    run, kind = event["run"]["runId"], event.get("eventType")
    at = (
        datetime.fromisoformat(event["eventTime"])
        .astimezone(UTC)
        .isoformat(timespec="milliseconds")
    )
    row = {"run_id": run, "job": event["job"]["name"]}
    if kind == _BEGIN:
        change.put("run", [row | {"started_at": at}])
    if kind not in _ENDS:
        return
    facets = event["run"].get("facets") or {}
    failure = (facets.get("errorMessage") or {}).get("message")
    error = str(failure).strip().partition("\n")[0][:_MOST_ERROR] if failure else None
    change.put("run", [row | {"ended_at": at, "outcome": kind, "error": error}])
    for name in ("inputs", "outputs"):
        found = event.get(name) or ()
        change.put("run_dataset", [_dataset(run, name, item) for item in found])
    for item in event.get("outputs") or ():
        _keep_edges(change, run, item)


def _keep_edges(change: Change, run: str, item: Mapping[str, Any]) -> None:
    """Put a table's edges in place of those of an older version."""
    edges = list(column_edges(run, item))
    if not edges or edges[0]["version"] is None:
        return
    newest = "select max(version) as version from edge where table_name = :name"
    known = change.ask(newest, name=item["name"])[0]["version"]
    if known is None or known < edges[0]["version"]:
        change.drop("edge", table_name=item["name"])
        change.put("edge", [_edge(number, edge) for number, edge in enumerate(edges)])


def _edge(number: int, edge: Mapping[str, Any]) -> Row:
    kept = {name: edge[name] for name in edge if name not in ("source_table", "run_id")}
    return kept | {"number": number, "source": edge["source_table"]}


def _dataset(run: str, direction: str, item: Mapping[str, Any]) -> Row:
    version, measured = _version(item), _measured(item)
    told = (item.get("facets") or {}).get("lakehouse") or {}
    return {
        "run_id": run,
        "direction": direction,
        "name": item["name"],
        "version": -1 if version is None else version,
        "rows": measured.get("rowCount"),
        "bytes": measured.get("size"),
        "quarantined": told.get("quarantined"),
    }


def _measured(dataset: Mapping[str, Any]) -> Mapping[str, Any]:
    measures = (dataset.get("inputFacets") or {}) | (dataset.get("outputFacets") or {})
    return next((facet for facet in measures.values() if "rowCount" in facet), {})


def _version(dataset: Mapping[str, Any]) -> int | None:
    facet = (dataset.get("facets") or {}).get("version")
    return int(facet["datasetVersion"]) if facet else None


def _how(step: Mapping[str, Any]) -> str:
    path, described = step.get("path"), str(step.get("description") or "")
    return described.removeprefix(path).removeprefix(": ") if path else described
