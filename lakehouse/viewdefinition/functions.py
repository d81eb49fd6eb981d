"""The functions of the SQL on FHIR v2 subset of FHIRPath, each as SQL."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from lakehouse.viewdefinition import elements
from lakehouse.viewdefinition.syntax import Call, Literal, Member, PathError, This
from lakehouse.viewdefinition.value import (
    CHOICE,
    COMPLEX,
    MOMENTS,
    TEXTS,
    Scope,
    Value,
    quoted,
    simple,
)

if TYPE_CHECKING:
    from lakehouse.viewdefinition.paths import Paths

_ANY_TYPE = "[A-Z][A-Za-z]{1,63}"
_DIGITS = {"date": 8, "dateTime": 17, "time": 9, "decimal": 8, "integer": 8}

_Function = Callable[["Paths", Value, Call, Scope], Value]


def call(paths: "Paths", told: Call, scope: Scope) -> Value:
    """The value of a function; raises PathError for one that is not of the subset, or for wrong
    arguments."""
    if told.name not in _FUNCTIONS:
        raise PathError(f"the function {told.name} is not supported in a view", told.at)
    function, least, most = _FUNCTIONS[told.name]
    if not least <= len(told.arguments) <= most:
        wanted = str(least) if least == most else f"{least} or {most}"
        raise PathError(f"{told.name} takes {wanted} arguments", told.at)
    is_boundary = told.name in ("lowBoundary", "highBoundary")
    of = paths.evaluate(told.of, replace(scope, as_text=is_boundary or scope.as_text))
    if of.kind == CHOICE and told.name not in ("ofType", "exists", "empty"):
        raise PathError(f"which type has {of.type}?", told.at, hint=f"{of.type}.ofType(…)")
    return function(paths, of, told, scope)


def _where(paths: "Paths", of: Value, told: Call, scope: Scope) -> Value:
    def criterion(item: str) -> tuple[str, Value]:
        focus = of.like(item, many=False, paths=frozenset(), deciders=frozenset())
        found = paths.evaluate(told.arguments[0], scope.inside(focus))
        if found.kind != "boolean":
            raise PathError(f"{told.name} needs a condition", told.at)
        found = paths.items.single(found)
        if found.guarded or of.kind != COMPLEX or of.clean or of.node is None:
            return found.sql, found
        return f"{found.sql} and {paths.items.present(item, of.node)}", found

    if not of.many:
        sql, found = criterion(of.sql)
        return of.like(f"case when {sql} then {of.sql} end", clean=True).seen(found)
    name = paths.items.names.new()
    sql, found = criterion(name)
    return of.like(f"list_filter({of.sql}, lambda {name}: {sql})", clean=True).seen(found)


def _exists(paths: "Paths", of: Value, told: Call, scope: Scope) -> Value:
    if of.kind == CHOICE:
        if told.arguments:
            raise PathError(f"which type has {of.type}?", told.at, hint=f"{of.type}.ofType(…)")
        each = [_is_there(paths, option) for option in paths.items.options(of)]
        sql = " or ".join(found.sql for found in each)
        return simple(f"({sql})", "boolean", *each, guarded=of.guarded)
    return _is_there(paths, _where(paths, of, told, scope) if told.arguments else of)


def _is_there(paths: "Paths", of: Value) -> Value:
    if of.many:
        sql = f"(coalesce(len({paths.items.listed(of)}), 0) > 0)"
    elif of.kind == COMPLEX and of.node and not of.clean:
        sql = paths.items.present(of.sql, of.node)
    else:
        sql = f"({of.sql} is not null)"
    if of.kind != COMPLEX and of.origin and of.node:
        # a primitive without a value is there where it has extensions
        beside = paths.items.navigate(of, "extension", 0)
        sql = f"({sql} or coalesce(len({beside.sql}), 0) > 0)"
    source = frozenset({of.node.path}) if of.node else frozenset[str]()
    return replace(simple(sql, "boolean", of, guarded=of.guarded), paths=of.paths | source)


def _empty(paths: "Paths", of: Value, told: Call, scope: Scope) -> Value:
    found = _exists(paths, of, told, scope)
    return replace(found, sql=f"(not {found.sql})", guarded=False)


def _not(paths: "Paths", of: Value, told: Call, _: Scope) -> Value:
    found = paths.items.truth(of, told.at)
    return replace(found, sql=f"(not {found.sql})", guarded=False)


def _first(paths: "Paths", of: Value, _: Call, __: Scope) -> Value:
    return paths.items.first(of)


def _of_type(paths: "Paths", of: Value, told: Call, scope: Scope) -> Value:
    kind = _type_name(told)
    if of.kind == CHOICE:
        return paths.items.option(of, kind, told.at, as_text=scope.as_text)
    if elements.is_a(of.type, kind):
        return of
    if not elements.is_a(kind, of.type) or not elements.is_resource(kind) or of.node is None:
        raise PathError(f"{of.type or of.kind} is never of type {kind}", told.at)
    node = of.node

    def is_kind(item: str) -> str:
        return paths.items.is_string(item, node, "resourceType", kind)

    if not of.many:
        sql = f"case when {is_kind(of.sql)} then {of.sql} end"
    else:
        sql = paths.items.names.only(of.sql, is_kind)
    return of.like(sql, type=kind, clean=True)


def _type_name(told: Call) -> str:
    match told.arguments[0]:
        case Member(This(), name, _):
            return name
        case Member(Member(This(), "FHIR", _), name, _):
            return name
    raise PathError(f"{told.name} takes the name of a type", told.at)


def _extension(paths: "Paths", of: Value, told: Call, _: Scope) -> Value:
    url = told.arguments[0]
    if not isinstance(url, Literal) or url.kind != "string":
        raise PathError("extension takes a URL in quotes", told.at)
    found = paths.items.navigate(of, "extension", told.at)
    node = found.node
    if node is None:
        raise PathError("nothing here has extensions", told.at)
    sql = paths.items.names.only(
        found.sql, lambda item: paths.items.is_string(item, node, "url", url.text)
    )
    return replace(found.like(sql, clean=True), deciders=found.deciders | {f"{node.path}.url"})


def _join(paths: "Paths", of: Value, told: Call, scope: Scope) -> Value:
    between = (
        paths.items.single(paths.evaluate(told.arguments[0], scope))
        if told.arguments
        else simple("''", "string")
    )
    if of.kind not in TEXTS or between.kind != "string":
        raise PathError("join takes texts", told.at)
    if not of.many:
        return replace(of.like(of.sql), kind="string")
    sql = f"case when len({of.sql}) > 0 then array_to_string({of.sql}, {between.sql}) end"
    return simple(sql, "string", of, guarded=of.guarded).seen(between)


def _resource_key(paths: "Paths", of: Value, told: Call, _: Scope) -> Value:
    if of.node is None or of.node not in paths.items.roots[:1]:
        raise PathError("getResourceKey stands for the resource of the view only", told.at)
    if paths.in_lake:
        return Value("resource_id", "string", paths=frozenset({"resource_id"}))
    return paths.items.navigate(of, "id", told.at)


def _reference_key(paths: "Paths", of: Value, told: Call, _: Scope) -> Value:
    if of.type != "Reference":
        raise PathError("getReferenceKey stands behind a Reference", told.at)
    target = _type_name(told) if told.arguments else ""
    if target and not elements.is_resource(target):
        raise PathError(f"{quoted(target)} is not a type of resource", told.at)
    source = "source || '/' || " if paths.in_lake else ""

    def key(reference: str) -> str:
        return source + paths.items.names.once(reference, lambda found: _id_in(found, target))

    found = paths.items.reference(of, told.at)
    if paths.in_lake:
        found = replace(found, paths=found.paths | {"source"})
    if not found.many:
        return found.like(key(found.sql), kind="string", node=None)
    keys = paths.items.names.present(paths.items.names.each(found.sql, key))
    return found.like(keys, kind="string", node=None)


def _id_in(reference: str, target: str) -> str:
    form = f"(?:https?://[^?#]+/)?{target or _ANY_TYPE}/[^/?#|]+(?:/_history/[^/?#|]+)?"
    if not target:
        return f"fhirpath_parsed_reference_id({reference}, {quoted(form)})"
    return f"fhirpath_reference_id({reference}, '{target}/', '{target}0', {quoted(form)})"


def _boundary(paths: "Paths", of: Value, told: Call, scope: Scope) -> Value:
    if of.kind not in _DIGITS or (of.kind == "decimal" and not of.as_text):
        raise PathError(
            f"{told.name} stands behind an element that is a number, a date or a time", told.at
        )
    one = paths.items.single(of)
    digits = str(_DIGITS[of.kind])
    if told.arguments:
        wanted = paths.items.single(
            paths.evaluate(told.arguments[0], replace(scope, as_text=False))
        )
        if wanted.kind != "integer":
            raise PathError(f"{told.name} takes a number of digits", told.at)
        digits = wanted.sql
    family = "moment" if of.kind in MOMENTS else "time" if of.kind == "time" else "decimal"
    kind = "decimal" if of.kind == "integer" else of.kind
    text = f"cast({one.sql} as varchar)" if of.kind == "integer" else one.sql
    side = "low" if told.name == "lowBoundary" else "high"
    sql = paths.items.names.once(text, lambda found: f"fhirpath_{family}_{side}({found}, {digits})")
    return simple(sql, kind, one, guarded=one.guarded)


_FUNCTIONS: dict[str, tuple[_Function, int, int]] = {
    "where": (_where, 1, 1),
    "exists": (_exists, 0, 1),
    "empty": (_empty, 0, 0),
    "first": (_first, 0, 0),
    "not": (_not, 0, 0),
    "ofType": (_of_type, 1, 1),
    "extension": (_extension, 1, 1),
    "join": (_join, 0, 1),
    "getResourceKey": (_resource_key, 0, 0),
    "getReferenceKey": (_reference_key, 0, 1),
    "lowBoundary": (_boundary, 0, 1),
    "highBoundary": (_boundary, 0, 1),
}
