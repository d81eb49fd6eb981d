"""What the pages take from whoever serves them: who asks, what Airflow knows, what it may start."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lakehouse.settings import Settings


@dataclass(frozen=True, slots=True)
class Person:
    """Who is signed in: the name, and the groups that policy.yml may name."""

    name: str
    groups: tuple[str, ...] = ()
    user: Any = field(default=None, repr=False, compare=False)
    """Airflow's own object, handed back to `trigger`."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a refused record holds, for one look: never kept, never logged."""

    file_name: str
    text: str = field(repr=False)
    is_cut: bool = False


Trigger = Callable[[Person, str, Mapping[str, Any]], str]
"""Starts a run of a DAG as a person and returns its id; raises PolicyError when Airflow refuses."""

Look = Callable[[Person, str, int, int], Seen]
"""Writes down who looks at a place (quarantine, delivery, line), then shows it."""


@dataclass(frozen=True, slots=True)
class Wiring:
    """`require_person` is a dependency of FastAPI that raises 401 for whoever is not signed in;
    `next_runs` gives the times of the next runs by DAG; `secret` signs forms."""

    settings: Settings
    require_person: Callable[..., Any]
    next_runs: Callable[[Iterable[str]], Mapping[str, str]]
    trigger: Trigger
    look: Look
    secret: bytes = field(repr=False)
