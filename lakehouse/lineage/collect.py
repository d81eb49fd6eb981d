"""What the work now running has read and written; storage reports it, nobody writes it by hand."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

EVERY = "*"
"""All columns: of a source whose rows as such are meant, as `count(*)` does, or of an output whose
rows as such depend on something, as a filter does."""


@dataclass(frozen=True, slots=True)
class Edge:
    """One output column and one thing it comes from.

    `source_column` is None when the column depends on whole rows of the table, as `count(*)` does.
    `path` is the JSON path inside the source column, when the value was taken out of JSON.
    `kind` is DIRECT or INDIRECT, `subtype` as in OpenLineage's column lineage facet 1-2-0:
    IDENTITY, TRANSFORMATION, AGGREGATION, JOIN, GROUP_BY, FILTER, SORT, WINDOW, CONDITIONAL.
    """

    column: str
    source: str
    source_column: str | None
    path: str | None
    kind: str
    subtype: str
    how: str = ""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """How many rows broke a check, and what was done with them."""

    name: str
    column: str | None
    on_fail: str
    broken: int


@dataclass(frozen=True, slots=True)
class Dataset:
    """A table at a version, or a landed object by its sha256; never a sender's file name."""

    name: str
    version: int | None = None
    fields: tuple[tuple[str, str], ...] = ()
    rows: int | None = None
    bytes: int | None = None
    edges: tuple[Edge, ...] = ()
    checks: tuple[CheckResult, ...] = ()
    quarantined: int | None = None


@dataclass(slots=True)
class Collected:
    """The inputs and outputs of one run, one entry a name and version; `parent` is the run and the
    job that it is a part of."""

    run_id: str = ""
    job: str = ""
    inputs: dict[tuple[str, int | None], Dataset] = field(default_factory=dict)
    outputs: dict[tuple[str, int | None], Dataset] = field(default_factory=dict)
    parent: tuple[str, str] | None = None


_current = Collected()


def begin(run_id: str, job: str) -> None:
    """Start a run: what was reported before is forgotten, what follows belongs to it."""
    resume(Collected(run_id, job))


def resume(work: Collected) -> None:
    """Go on with a run that another one interrupted, or begin one."""
    global _current  # noqa: PLW0603 (a process does one piece of work at a time)
    _current = work


def current_run() -> tuple[str, str]:
    """The OpenLineage run id and job name of the work now running; empty outside of one."""
    return _current.run_id, _current.job


def read(datasets: Iterable[Dataset]) -> None:
    """Report inputs of the work now running."""
    _current.inputs.update({(dataset.name, dataset.version): dataset for dataset in datasets})


def wrote(dataset: Dataset) -> None:
    """Report an output of the work now running."""
    _current.outputs[dataset.name, dataset.version] = dataset


def collected() -> Collected:
    """What the work now running has reported so far."""
    return replace(_current, inputs=dict(_current.inputs), outputs=dict(_current.outputs))
