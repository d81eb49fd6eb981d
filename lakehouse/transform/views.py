"""Run a SQL on FHIR v2 ViewDefinition: over resources at hand, a file of them, or the lake.

The three give the same rows; only keys differ: `<source>/<id>` in the lake, bare elsewhere.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from lakehouse.catalog.views import CURRENT
from lakehouse.errors import LakehouseError, SourceError, SpecError
from lakehouse.settings import Settings, read_settings
from lakehouse.storage.engine import Engine
from lakehouse.storage.lake import Lake
from lakehouse.storage.session import Session
from lakehouse.viewdefinition.compiler import Compiled, compile_view, macros
from lakehouse.viewdefinition.findings import findings_queries, of_type


def read_definition(path: Path) -> Any:
    """The ViewDefinition in a JSON file; raises SpecError where there is none."""
    try:
        return json.loads(path.read_text())
    except OSError as error:
        raise SpecError(f"{path.name} cannot be read: {error.strerror}") from None
    except ValueError:
        raise SpecError(f"{path.name} is not JSON") from None


def evaluate(view: Mapping[str, Any], resources: Iterable[Mapping[str, Any]]) -> pa.Table:
    """The rows that a view gives for these resources, in their order; keys are bare.

    Columns have the types that the view declares: boolean, int32 (int64 for integer64), double,
    else string; lists of these for collections. Resources of other types are passed over. Raises
    SpecError for a view that is not valid, or that gets several values where it takes one.
    """
    compiled = compile_view(view)
    with _showing(resources) as session:
        return session.table(compiled.sql)


@dataclass(frozen=True, slots=True)
class Finding:
    """How many values stand at a JSON path that the columns take something from, and are not of
    its type or its shape."""

    columns: tuple[str, ...]
    path: str
    count: int


@contextmanager
def over_file(
    view: Mapping[str, Any], path: Path, settings: Settings
) -> Iterator[pa.RecordBatchReader]:
    """The rows for a file of NDJSON, plain or gzip, as they are made; keys are bare.

    The lines are taken for valid JSON without repeated keys. Raises SourceError where one is not
    JSON or longer than 16 MiB.
    """
    if not path.is_file():
        raise SpecError(f"there is no file {path.name}")
    compiled = compile_view(view, _lines(path))
    with _session(settings) as session:
        try:
            yield session.stream(compiled.sql)
        except SpecError as error:
            if "several values" in error.message:
                raise
            raise SourceError(f"{path.name} has a line that is not JSON in UTF-8") from None


@contextmanager
def over_lake(view: Mapping[str, Any], lake: Lake) -> Iterator[pa.RecordBatchReader]:
    """The rows for the current resources of the lake, with the columns of the envelope behind the
    view's own."""
    compiled = compile_view(view, CURRENT, in_lake=True)
    with _current(lake) as engine:
        yield engine.stream(own_columns(compiled))


@contextmanager
def _current(lake: Lake) -> Iterator[Engine]:
    """An engine that shows the current resources, with what compiled views call."""
    with Engine(lake) as engine:
        current = lake.catalog.table(CURRENT)
        for read in lake.catalog.stored_reads(current):
            stored = lake.find(read.name)
            engine.attach(read, stored.version if stored else None)
        engine.attach_views(current)
        engine.attach_view(current)
        for name, statement in macros().items():
            if name not in lake.catalog.macros:
                engine.execute(statement)
        yield engine


def own_columns(compiled: Compiled) -> str:
    """The query without the columns of the envelope."""
    names = ", ".join(f'"{column.name}"' for column in compiled.columns)
    return f"select {names} from ({compiled.sql})"


def conformance(view: Mapping[str, Any], resources: Iterable[Mapping[str, Any]]) -> list[Finding]:
    """What the view finds in these resources and cannot read, most first; empty where all is
    right."""
    compiled = compile_view(view)
    with _showing(resources) as session:
        return _count_findings(session, compiled, "resources")


def findings_in_file(view: Mapping[str, Any], path: Path, settings: Settings) -> list[Finding]:
    """The same for a file of NDJSON, plain or gzip; raises SourceError where a line is not JSON."""
    if not path.is_file():
        raise SpecError(f"there is no file {path.name}")
    with _session(settings) as session:
        try:
            return _count_findings(session, compile_view(view), _lines(path))
        except SpecError:
            raise SourceError(f"{path.name} has a line that is not JSON in UTF-8") from None


def findings_in_lake(view: Mapping[str, Any], lake: Lake) -> list[Finding]:
    """The same for the current resources of the lake."""
    compiled = compile_view(view)
    among = f"(select resource from {CURRENT} where resource_type = '{compiled.resource}')"
    with _current(lake) as engine:
        return _count_findings(engine, compiled, among)


def _count_findings(session: Session, compiled: Compiled, relation: str) -> list[Finding]:
    found = []
    for query in findings_queries(compiled, of_type(compiled, relation)):
        (row,) = session.table(query.sql).to_pylist()
        counted = zip(query.places, row.values(), strict=True)
        found += [Finding(columns, path, count) for (columns, path), count in counted if count]
    return sorted(found, key=lambda finding: (-finding.count, finding.path))


def _session(settings: Settings) -> Session:
    session = Session(settings, is_ordered=True)
    try:
        for statement in macros().values():
            session.execute(statement)
    except LakehouseError:
        session.close()
        raise
    return session


_idle: dict[tuple[Path, int], Session] = {}
"""The session of this process that waits for more resources, by its place and its memory."""

_inherited: list[Session] = []
"""Sessions of the process that this one was forked from, which may neither be used nor closed."""


def _leave_to_parent() -> None:
    _inherited.extend(_idle.values())
    _idle.clear()


os.register_at_fork(after_in_child=_leave_to_parent)


@contextmanager
def _showing(resources: Iterable[Mapping[str, Any]]) -> Iterator[Session]:
    """A session that shows these resources: the one that did so before, or a new one."""
    texts = list(map(_text, resources))
    settings = read_settings()
    key = settings.home, settings.slot_memory_bytes
    session = _idle.pop(key, None) or _session(settings)
    try:
        session.register("resources", pa.table({"resource": pa.array(texts, pa.string())}))
        yield session
        session.unregister("resources")
    except BaseException:
        session.close()
        raise
    while _idle:
        _idle.popitem()[1].close()
    _idle[key] = session


def _text(resource: Mapping[str, Any]) -> str:
    """JSON of a resource; a Decimal keeps its digits, of which a double may lose some."""
    return orjson.dumps(resource, _exactly).decode()


def _exactly(value: Any) -> Any:
    if isinstance(value, Decimal):
        return orjson.Fragment(str(value))
    raise SpecError(f"a resource holds a {type(value).__name__}, which JSON has no word for")


def _lines(path: Path) -> str:
    """A relation over the lines of a file, each a JSON text as it stands there."""
    place = str(path.resolve()).replace("'", "''")
    return f"(select json::varchar as resource from read_ndjson_objects('{place}'))"
