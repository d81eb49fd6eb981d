"""A ViewDefinition as one SELECT over JSON texts.

The resource is read into a struct once, pruned to the paths that the view uses; its rows grow from
there.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from lakehouse.viewdefinition.columns import Output, Place, output_of
from lakehouse.viewdefinition.items import Items, Plan
from lakehouse.viewdefinition.paths import Paths
from lakehouse.viewdefinition.rows import Rows, select_rows
from lakehouse.viewdefinition.shape import Node
from lakehouse.viewdefinition.syntax import PathError, parse
from lakehouse.viewdefinition.value import COMPLEX, Scope, Value, quoted
from lakehouse.viewdefinition.view import View, read_view

ENVELOPE = (
    "source",
    "resource_id",
    "patient_id",
    "version_at",
    "version_basis",
    "_object",
    "_sequence",
    "_line",
    "_entry",
)
"""Columns that a view in the lake offers beside its own: those of fhir.resource."""

_FUNCTIONS = Path(__file__).with_name("functions.sql")
_MACRO = re.compile(r"create macro (\w+)\s*\(.*?;", re.S)
_TEXT = "\0text\0"


@cache
def macros() -> dict[str, str]:
    """The statements that create the macros which compiled views call, by name, each after those it
    calls."""
    return {match[1]: match[0] for match in _MACRO.finditer(_FUNCTIONS.read_text())}


@dataclass(frozen=True, slots=True)
class Compiled:
    """A view ready to run: `sql` selects from `relation`; `rows` are the paths that decide which
    rows there are."""

    resource: str
    means: str
    owner: str
    sql: str
    columns: tuple[Output, ...]
    rows: frozenset[str]
    nodes: tuple[Node, ...]


def compile_view(told: Any, relation: str = "resources", *, in_lake: bool = False) -> Compiled:
    """Compile a ViewDefinition, as JSON gives it, to SQL that selects from `relation`.

    The relation has a column `resource`, JSON texts as the lake keeps them: valid, without repeated
    keys. In the lake it is fhir.resource, keys are `<source>/<id>`, and the columns of ENVELOPE
    follow the view's own. Raises SpecError naming the column, the path and the place in it for what
    is wrong or not supported.
    """
    view = read_view(told)
    plan = Plan()
    while True:
        items = Items(plan, raw=set(plan.raw))
        compiled = _compile(view, Paths(items, view.constants, in_lake), relation)
        if items.learned() == plan:
            return compiled
        plan = items.learned()


def _compile(view: View, paths: Paths, relation: str) -> Compiled:
    node = paths.items.root(view.resource, "$")
    root = Value("_r", COMPLEX, view.resource, node=node, clean=True, guarded=True, trail=())
    lasting = frozenset(view.select.lasting(paths.items.plan.failing))
    rows = Rows(paths, "", is_sifted=bool(view.where), lasting=lasting)
    scope = Scope(root)
    conditions = [
        _condition(paths, path, number, scope, rows) for number, path in enumerate(view.where)
    ]
    rows.sql = _base(view, paths, relation, node)
    if not paths.in_lake:
        is_kind = paths.items.is_string("_r", node, "resourceType", view.resource)
        conditions = [is_kind, *conditions]
    rows.condition = " and ".join(conditions)
    made = list(select_rows(view.select, scope, rows, _TEXT, "true"))
    rows.left()
    outputs = [output_of(item) for item in made]
    listed = [f'{sql} as "{output.name}"' for output, sql in outputs]
    if paths.in_lake:
        own = {output.name.lower() for output, _ in outputs}
        listed += [name for name in ENVELOPE if name not in own]
    sql = f"select {', '.join(listed)}\nfrom ({rows.sql})"
    sql = sql.replace(_TEXT, _text(paths))
    return Compiled(
        view.resource,
        view.means,
        view.owner,
        paths.items.finished(sql),
        tuple(output for output, _ in outputs),
        rows.rows,
        tuple(paths.items.roots),
    )


def _base(view: View, paths: Paths, relation: str, node: Node) -> str:
    struct = paths.items.opened(_TEXT, node)
    if paths.in_lake:
        return (
            f"select resource, {', '.join(ENVELOPE)}, {struct} as _r\n"
            f"from {relation} where resource_type = '{view.resource}'"
        )
    return f"select resource, {struct} as _r\nfrom {relation}"


def _text(paths: Paths) -> str:
    """The JSON text; numbers whose digits matter as sent are put in an object first, since JSON
    readers drop zeros. The pattern cannot match inside a string: a quote there is escaped."""
    if not paths.items.exact:
        return "resource"
    keys = "|".join(sorted(paths.items.exact))
    pattern = rf'("(?:{keys})"\s*:\s*)(-?[0-9][0-9.eE+-]*)'
    return f"regexp_replace(resource, {quoted(pattern)}, '\\1{{\"$\":\"\\2\"}}', 'g')"


def _condition(paths: Paths, path: str, number: int, scope: Scope, rows: Rows) -> str:
    with Place(paths, f"where[{number}]", path):
        found = paths.evaluate(parse(path), scope)
        if found.kind != "boolean":
            raise PathError("the path gives no boolean", 1)
        one = paths.items.single(found)
    rows.rows |= one.paths | one.deciders
    return f"coalesce({one.sql}, false)"
