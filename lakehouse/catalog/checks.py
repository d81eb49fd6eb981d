"""The kinds of check, each as the SQL predicate of a row that breaks it.

Kinds follow Kahn's data-quality harmonisation: conformance (unique, one_of, expr), completeness
(not_null), plausibility (range). Each is named by what must hold, so that a refused row reads well.
"""

from pathlib import Path
from typing import Any

from lakehouse.catalog.spec import Check
from lakehouse.errors import SpecError

ON_FAIL = ("fail", "quarantine", "warn")


def parse_checks(path: Path, told: list[Any], key: tuple[str, ...]) -> tuple[Check, ...]:
    """The declared checks, after the two every keyed table has: its key is present and unique."""
    found: list[Check] = []
    if key:
        found.append(_unique(key, "fail"))
        found += [_not_null(name, "fail") for name in key]
    for item in told:
        if not isinstance(item, dict):
            raise SpecError(f"{path}: a check is a kind with its argument")
        found += _parse(path, dict(item))
    names = [check.name for check in found]
    if len(names) != len(set(names)):
        raise SpecError(f"{path}: a check is declared twice")
    return tuple(found)


def _parse(path: Path, item: dict[str, Any]) -> list[Check]:
    on_fail = item.pop("on_fail", "fail")
    if on_fail not in ON_FAIL or len(item) != 1:
        raise SpecError(f"{path}: a check has one kind, and on_fail is one of {', '.join(ON_FAIL)}")
    ((kind, argument),) = item.items()
    match kind, argument:
        case "not_null", list():
            return [_not_null(name, on_fail) for name in argument]
        case "unique", list():
            return [_unique(tuple(argument), on_fail)]
        case "expr", str():
            broken = f"not coalesce(({argument}), true)"
            return [Check(argument, kind, (), broken, on_fail)]
        case "range", dict():
            return [_range(path, name, bounds, on_fail) for name, bounds in argument.items()]
        case "one_of", dict():
            return [_one_of(name, allowed, on_fail) for name, allowed in argument.items()]
    raise SpecError(
        f"{path}: unknown check {kind}", hint="use not_null, unique, expr, range or one_of"
    )


def _not_null(name: str, on_fail: str) -> Check:
    return Check(f"{name} is present", "not_null", (name,), f"{name} is null", on_fail)


def _unique(names: tuple[str, ...], on_fail: str) -> Check:
    joined = ", ".join(names)
    broken = f"count(*) over (partition by {joined}) > 1"
    return Check(f"{joined} is unique", "unique", names, broken, on_fail)


def _range(path: Path, name: str, bounds: Any, on_fail: str) -> Check:
    if not (isinstance(bounds, list) and len(bounds) == 2):  # noqa: PLR2004
        raise SpecError(f"{path}: the range of {name} is [low, high]")
    low, high = (float(bound) for bound in bounds)
    broken = f"{name} is not null and {name} not between {low} and {high}"
    return Check(f"{name} between {low:g} and {high:g}", "range", (name,), broken, on_fail)


def _one_of(name: str, allowed: list[Any], on_fail: str) -> Check:
    quoted = ", ".join("'" + str(value).replace("'", "''") + "'" for value in allowed)
    broken = f"{name} is not null and {name} not in ({quoted})"
    return Check(f"{name} is one of {len(allowed)} codes", "one_of", (name,), broken, on_fail)
