"""A synthetic hospital: people who never were, in every source a hospital has, with the truth
beside it.

`write_hospital` writes it out; `Population` gives the people themselves. The same seed gives the
same bytes on every machine. docs/synthetic.md says what each file holds.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from lakehouse.datasets.synthetic.formats import formats
from lakehouse.datasets.synthetic.population import Population, sites_of
from lakehouse.datasets.synthetic.truth import Truth
from lakehouse.errors import SpecError

_STEP = 1000

__all__ = ["Population", "sites_of", "write_hospital"]


def write_hospital(
    population: Population,
    folder: Path,
    only: Sequence[str] = (),
    tell: Callable[[int], None] = lambda _: None,
) -> None:
    """Write the truth and each format (or only those named) into subfolders of an empty folder.

    Memory does not grow with the number of people; of every thousandth `tell` is told.
    Raises SpecError where something is in the folder, or a format is not known.
    """
    if unknown := sorted(set(only) - formats().keys()):
        known = ", ".join(formats())
        raise SpecError(f"no format is called {unknown[0]}", hint=f"there are {known}")
    if folder.exists() and any(folder.iterdir()):
        raise SpecError(
            "the folder for a synthetic hospital is not empty", hint="name another --out"
        )
    with Truth(folder / "truth", population) as truth:
        renderers = [
            open_format(population, folder / name, truth)
            for name, open_format in formats().items()
            if not only or name in only
        ]
        for person in population.people():
            truth.add(person)
            for renderer in renderers:
                renderer.add(person)
            if person.number % _STEP == 0:
                tell(person.number)
        for renderer in renderers:
            renderer.close()
