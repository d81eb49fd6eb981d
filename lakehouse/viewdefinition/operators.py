"""The operators of FHIRPath as SQL. Null is FHIRPath's empty, so that SQL's three values are
FHIRPath's."""

from collections.abc import Callable
from dataclasses import replace

from lakehouse.viewdefinition.items import Items
from lakehouse.viewdefinition.syntax import Operation, PathError
from lakehouse.viewdefinition.value import CHOICE, COMPLEX, MOMENTS, NUMBERS, TEXTS, Value, simple


def operate(items: Items, told: Operation, left: Value, right: Value) -> Value:
    """The value of an operation; raises PathError where the types of its operands have no such
    operation."""
    if told.sign in ("and", "or", "xor", "implies"):
        return _logic(told, items.truth(left, told.at), items.truth(right, told.at))
    if COMPLEX in (left.kind, right.kind) or CHOICE in (left.kind, right.kind):
        raise PathError(f"{told.sign} takes values, not elements with parts", told.at)
    if told.sign in ("=", "!="):
        return _equal(items, told, left, right)
    left, right = items.single(left), items.single(right)
    if told.sign in ("<", "<=", ">", ">="):
        return _compare(items, told, left, right)
    return _calculate(items, told, left, right)


def _logic(told: Operation, one: Value, other: Value) -> Value:
    both, either = one.guarded and other.guarded, one.guarded or other.guarded
    match told.sign:
        case "and":
            sql, guarded = f"({one.sql} and {other.sql})", either
        case "or":
            sql, guarded = f"({one.sql} or {other.sql})", both
        case "xor":
            sql, guarded = f"({one.sql} <> {other.sql})", either
        case _:
            sql, guarded = f"(not {one.sql} or {other.sql})", False
    return simple(sql, "boolean", one, other, guarded=guarded)


def _equal(items: Items, told: Operation, left: Value, right: Value) -> Value:
    family = _family(told, left, right)
    guarded = left.guarded or right.guarded
    if not left.many and not right.many:
        sql = _compared(items, family, "=", left.sql, right.sql)
    else:
        one, other = items.listed(left), items.listed(right)
        sql = _both(items, one, other, lambda *both: _equal_lists(items, family, *both))
    return simple(
        f"({sql})" if told.sign == "=" else f"(not ({sql}))",
        "boolean",
        left,
        right,
        guarded=guarded,
    )


def _equal_lists(items: Items, family: str, one: str, other: str) -> str:
    same = _compared(items, family, "=", f"{one}[1]", f"{other}[1]")
    alike = f"case when {one} = {other} then true end" if family != "plain" else f"{one} = {other}"
    return (
        f"case when coalesce(len({one}), 0) = 0 or coalesce(len({other}), 0) = 0 then null "
        f"when len({one}) <> len({other}) then false "
        f"when len({one}) = 1 then {same} else {alike} end"
    )


def _both(items: Items, one: str, other: str, made: Callable[[str, str], str]) -> str:
    """What is made of two values, each worked out once."""
    return items.names.once(
        one, lambda first: items.names.once(other, lambda second: made(first, second))
    )


def _compare(items: Items, told: Operation, left: Value, right: Value) -> Value:
    family = _family(told, left, right)
    if left.kind == "boolean":
        raise PathError(f"{told.sign} does not order booleans", told.at)
    sql = _compared(items, family, told.sign, left.sql, right.sql)
    return simple(f"({sql})", "boolean", left, right, guarded=left.guarded or right.guarded)


def _family(told: Operation, left: Value, right: Value) -> str:
    """How two values compare: as they are, as moments, or as times of day."""
    kinds = (left.kind, right.kind)
    if all(kind in MOMENTS for kind in kinds):
        return "moments"
    if kinds == ("time", "time"):
        return "times"
    if left.kind != right.kind and not all(kind in NUMBERS for kind in kinds):
        hint = "write a date as @2020-01-31, a time as @T10:00" if "string" in kinds else ""
        raise PathError(f"{left.kind} {told.sign} {right.kind} has no meaning", told.at, hint=hint)
    return "plain"


def _calculate(items: Items, told: Operation, left: Value, right: Value) -> Value:
    kinds = {left.kind, right.kind}
    if told.sign == "&" and kinds <= set(TEXTS):
        sql = f"(coalesce({left.sql}, '') || coalesce({right.sql}, ''))"
        return simple(sql, "string", left, right)
    guarded = left.guarded or right.guarded
    if told.sign == "+" and kinds == {"string"}:
        return simple(f"({left.sql} || {right.sql})", "string", left, right, guarded=guarded)
    if not kinds <= set(NUMBERS):
        raise PathError(f"{left.kind} {told.sign} {right.kind} has no meaning", told.at)
    kinds_found = set[str]()

    def made(one: str, other: str) -> str:
        kind, sql = _arithmetic(told.sign, replace(left, sql=one), replace(right, sql=other))
        kinds_found.add(kind)
        return sql

    sql = _both(items, left.sql, right.sql, made)
    return simple(sql, kinds_found.pop(), left, right, guarded=guarded)


def _compared(items: Items, family: str, sign: str, one: str, other: str) -> str:
    if family == "plain":
        return f"{one} {sign} {other}"
    order = _both(items, one, other, lambda *both: f"fhirpath_compare_{family}({', '.join(both)})")
    return f"{order} {sign} 0"


def _arithmetic(sign: str, left: Value, right: Value) -> tuple[str, str]:
    one, other = f"cast({left.sql} as double)", f"cast({right.sql} as double)"
    whole = left.kind == right.kind == "integer"
    if sign in ("div", "mod"):
        operator = "//" if sign == "div" else "%"
        parts = [v.sql if whole else f"cast({v.sql} as double)" for v in (left, right)]
        sql = f"case when {parts[1]} <> 0 then {parts[0]} {operator} {parts[1]} end"
        if sign == "div":
            whole_part = f"try_cast(trunc({parts[0]} / {parts[1]}) as bigint)"
            sql = f"case when {parts[1]} <> 0 then {whole_part} end"
        return ("integer" if whole or sign == "div" else "decimal"), f"({sql})"
    if sign == "/":
        return "decimal", f"fhirpath_divide({one}, {other})"
    if whole:
        return "integer", f"(cast({left.sql} as bigint) {sign} cast({right.sql} as bigint))"
    name = {"+": "fhirpath_plus", "-": "fhirpath_plus", "*": "fhirpath_times"}[sign]
    return "decimal", f"{name}({one}, {'-' if sign == '-' else ''}{other})"
