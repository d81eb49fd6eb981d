"""What in the resources a view cannot read: other queries count it, by column and JSON path.

A view gives null for a value that does not convert, and passes over what has the wrong shape (a
text where an object should be). These queries say how often, so that nothing of it is silent.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lakehouse.viewdefinition.compiler import Compiled
from lakehouse.viewdefinition.shape import Node
from lakehouse.viewdefinition.value import quoted, read_leaf

_AT_ONCE = 4
"""Paths of a query. Each is looked for in as many parsed texts as a vector holds, all in memory at
once, some ten times their size; more of them hardly save any time."""

_PART = re.compile(r"\.\.?\w+(?:\[\*\])?")


@dataclass(frozen=True, slots=True)
class FindingsQuery:
    """`sql` gives a row for each group: the columns `by`, and a count for each of `places`, which
    are the columns concerned (none where the path only decides which rows there are), and the path.
    """

    sql: str
    places: tuple[tuple[tuple[str, ...], str], ...]


def findings_queries(
    compiled: Compiled, relation: str, by: tuple[str, ...] = (), at_once: int = _AT_ONCE
) -> Iterator[FindingsQuery]:
    """The queries that count what the columns of a view find and cannot read, in one group or by
    columns of the relation; each looks for so many paths.

    Their relation has a column `resource`, all of the type that the view shows.
    """
    counted = _counted(compiled)
    grouped = f" group by {', '.join(by)}" if by else ""
    for start in range(0, len(counted), at_once):
        part = counted[start : start + at_once]
        sums = (f"coalesce(sum({sql}), 0)::bigint as n{n}" for n, (_, _, sql) in enumerate(part))
        yield FindingsQuery(
            f"select {', '.join((*by, *sums))} from {relation}{grouped}",
            tuple((columns, path) for columns, path, _ in part),
        )


def of_type(compiled: Compiled, relation: str) -> str:
    """The relation without resources of other types than the view shows."""
    kind = quoted(compiled.resource)
    told = "json_extract_string(resource, '$.resourceType')"
    return f"(select resource from {relation} where {told} = {kind})"


def _counted(compiled: Compiled) -> list[tuple[tuple[str, ...], str, str]]:
    """The columns concerned, the path, and the SQL that counts in one resource, of each place."""
    nodes = {node.path: node for root in compiled.nodes for node in (root, *root.below())}
    concerned: dict[str, set[str]] = {}
    for column in compiled.columns:
        for path in (*column.paths, *column.deciders):
            for step in _steps(path):
                concerned.setdefault(step, set()).add(column.name)
    for path in compiled.rows:
        for step in _steps(path):
            concerned.setdefault(step, set())
    checks = [(path, _check(path, nodes)) for path in sorted(concerned)]
    return [(tuple(sorted(concerned[path])), path, sql) for path, sql in checks if sql]


def _steps(path: str) -> Iterator[str]:
    """A path and all above it; a list is a step of its own, before its items."""
    if not path.startswith("$"):
        return
    above = "$"
    for part in _PART.findall(path):
        above += part
        yield above.removesuffix("[*]")
        yield above


def _check(path: str, nodes: dict[str, Node]) -> str:
    """SQL that counts in one resource what is at a path and should not be."""
    place = quoted(path)
    many = "[*]" in path or ".." in path
    is_told = "t is not null and t <> 'NULL'"
    types = f"json_type(resource, {place})" if many else f"[json_type(resource, {place})]"
    if f"{path}[*]" in nodes:
        return f"len(list_filter({types}, lambda t: {is_told} and t <> 'ARRAY'))"
    node = nodes.get(path)
    if node is None:
        return ""
    if not node.is_leaf:
        return f"len(list_filter({types}, lambda t: {is_told} and t <> 'OBJECT'))"
    texts = f"json_extract(resource, {place})"
    texts = texts if many else f"[{texts}]"
    broken = f"{read_leaf('v', node.type)} is null"
    return f"len(list_filter({texts}, lambda v: v is not null and v <> 'null' and {broken}))"
