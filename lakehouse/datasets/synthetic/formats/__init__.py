"""What the story is written out as: one file or folder here is one format.

A format has `open_format(population, folder, truth)`, which returns a `Renderer`. It gets each
person once, in the order of their numbers, writes below its own folder only, and keeps nobody.
It takes what it says from the person alone, never from another format; what only it knows (where
in a note a name stands, where in an image one is burned in) it writes to the truth under a stream
of its own. To add a format, add a file, and its golden hash under tests/datasets/golden/: nothing
lists them.
"""

from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Protocol

from lakehouse.datasets.synthetic.model import Person
from lakehouse.datasets.synthetic.population import Population
from lakehouse.datasets.synthetic.truth import Truth


class Renderer(Protocol):
    """A format that is being written."""

    def add(self, person: Person) -> None:
        """Write all of a person, at every site that they went to."""

    def close(self) -> None:
        """Write what comes last, and close the files. It is not called after an error."""


OpenFormat = Callable[[Population, Path, Truth], Renderer]


@cache
def formats() -> dict[str, OpenFormat]:
    """All formats by name, which is also the name of the folder that they write to."""
    names = sorted(info.name for info in iter_modules(__path__))
    return {name: import_module(f"{__name__}.{name}").open_format for name in names}
