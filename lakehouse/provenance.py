"""Where a column or a row comes from, as text for a person."""

from collections.abc import Iterator, Sequence

from lakehouse.lineage.collect import Edge
from lakehouse.transform.ancestry import Ancestor
from lakehouse.transform.columns import EVERY
from lakehouse.transform.trace import Step

_MOST_LANDINGS = 5


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
    rows = "1 row" if step.rows == 1 else f"{step.rows} rows"
    yield f"{indent}{step.table} version {step.version}: {rows}{tied}"
    for landing in step.landings[:_MOST_LANDINGS]:
        yield (
            f"{indent}  {landing.feed} delivery {landing.sequence}, line {landing.line} of "
            f"landing/{landing.object_id} (received {landing.received_at})"
        )
    if len(step.landings) > _MOST_LANDINGS:
        yield f"{indent}  and {len(step.landings) - _MOST_LANDINGS} more lines"
    for below in step.steps:
        yield from trace_lines(below, depth + 1)
