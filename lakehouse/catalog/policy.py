"""Reads policy.yml: which role may do what, and which roles the people of Airflow have.

Default deny: who is not named has no role, and a role may only what it lists.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lakehouse.errors import SpecError

SEE, ACT, CONTENT = "see", "act", "content"
RIGHTS = frozenset({SEE, ACT, CONTENT})

_SECTIONS = {"roles", "airflow"}
_GIVEN = {"users", "groups"}


@dataclass(frozen=True, slots=True)
class Policy:
    """The rights of each role, and the roles of users and groups by name."""

    roles: Mapping[str, frozenset[str]]
    users: Mapping[str, tuple[str, ...]]
    groups: Mapping[str, tuple[str, ...]]

    @classmethod
    def read(cls, paths: Iterable[Path]) -> "Policy":
        """Read the files in turn, a later one laid over an earlier one: its roles by name, the
        people whole. Raises SpecError naming the file and what is wrong."""
        roles: dict[str, frozenset[str]] = {}
        people: Mapping[str, Mapping[str, tuple[str, ...]]] = {}
        for path in paths:
            told = _load(path)
            roles |= {name: _rights(path, name, r) for name, r in _of(path, told, "roles").items()}
            if "airflow" in told:
                people = _people(path, _of(path, told, "airflow"), roles)
        return cls(roles, people.get("users", {}), people.get("groups", {}))

    def roles_of(self, user: str, groups: Iterable[str]) -> tuple[str, ...]:
        """The roles of a person, in the order of their names."""
        found = set(self.users.get(user, ()))
        for group in groups:
            found |= set(self.groups.get(group, ()))
        return tuple(sorted(found))

    def rights_of(self, user: str, groups: Iterable[str]) -> frozenset[str]:
        """What a person may; nothing for one whom nothing names."""
        return frozenset().union(*(self.roles[role] for role in self.roles_of(user, groups)))


def _load(path: Path) -> dict[str, Any]:
    try:
        told = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError):
        raise SpecError(f"{path}: cannot be read as YAML") from None
    if not isinstance(told, dict) or told.keys() - _SECTIONS:
        raise SpecError(f"{path}: it has `roles` and `airflow`, and nothing else")
    return told


def _of(path: Path, told: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = told.get(name) or {}
    if not isinstance(found, dict):
        raise SpecError(f"{path}: {name} has names with values")
    return found


def _rights(path: Path, role: str, told: Any) -> frozenset[str]:
    may = told.get("may") if isinstance(told, dict) else None
    if not isinstance(may, list) or not RIGHTS.issuperset(map(str, may)):
        raise SpecError(f"{path}: the role {role} may: a list of {', '.join(sorted(RIGHTS))}")
    return frozenset(map(str, may))


def _people(
    path: Path, told: Mapping[str, Any], roles: Mapping[str, Any]
) -> Mapping[str, Mapping[str, tuple[str, ...]]]:
    if told.keys() - _GIVEN:
        raise SpecError(f"{path}: airflow has `users` and `groups`, and nothing else")
    return {kind: _given(path, _of(path, told, kind), roles) for kind in sorted(_GIVEN)}


def _given(
    path: Path, told: Mapping[str, Any], roles: Mapping[str, Any]
) -> dict[str, tuple[str, ...]]:
    for name, given in told.items():
        if not isinstance(given, list) or not all(role in roles for role in given):
            raise SpecError(
                f"{path}: {name} has a list of roles", hint=f"roles: {', '.join(sorted(roles))}"
            )
    return {str(name): tuple(given) for name, given in told.items()}
