"""What happens to people: one file here is one course of life.

A module has
- `WEIGHT`: how many of the people have it as the main story of theirs, against the other weights;
- `AGES`: the least and the greatest age in years at the beginning; `SEX`: `female`, `male` or
nothing;
- `begin`: its first state. A state is a function that lets something happen to a life and
returns the next state, or None at the end. Where what comes next depends on the person, it draws
from `life.dice`.

`wellness` also happens to everybody else, first. To add a story, add a file: nothing lists them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from lakehouse.datasets.synthetic.life import Life, State

_EVERYBODY = "wellness"


@dataclass(frozen=True, slots=True)
class Module:
    """One course of life."""

    name: str
    weight: int
    ages: tuple[int, int]
    sex: str
    begin: State


@cache
def modules() -> dict[str, Module]:
    """All modules, by name."""
    found = {}
    for name in sorted(info.name for info in iter_modules(__path__)):
        told = import_module(f"{__name__}.{name}")
        found[name] = Module(name, told.WEIGHT, told.AGES, told.SEX, told.begin)
    return found


@cache
def turns() -> list[tuple[Module, int, int]]:
    """Who has which main story: module, the person's place among those with it, and how many
    they are.

    Person by person, and again from the first when all have had their turn: so each story is told
    even where few people are.
    """
    shared = sorted(
        ((2 * place + 1) * 1000 // module.weight, module.name, place)
        for module in modules().values()
        for place in range(module.weight)
    )
    return [(modules()[name], place, modules()[name].weight) for _, name, place in shared]


def tell(life: Life, module: Module) -> None:
    """Let a whole life happen."""
    if module.name != _EVERYBODY:
        _run(modules()[_EVERYBODY].begin, life)
    life.module = module.name
    _run(module.begin, life)


def _run(state: Callable[[Life], State | None] | None, life: Life) -> None:
    while state is not None:
        state = state(life)
