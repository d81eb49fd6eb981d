"""How much memory a format keeps of the people that it has written."""

import gc
import tracemalloc
from pathlib import Path

from lakehouse.datasets.synthetic import Population
from lakehouse.datasets.synthetic.formats import OpenFormat
from lakehouse.datasets.synthetic.truth import Truth


def kept(open_format: OpenFormat, population: Population, folder: Path) -> int:
    """Bytes of Python objects that are left when everybody is written twice more: nobody must be
    kept, while buffers and tables that come with the first time may stay."""
    people = list(population.people())
    with Truth(folder / "truth", population) as truth:
        writer = open_format(population, folder / "out", truth)
        for person in people:
            writer.add(person)
        tracemalloc.start()
        for person in people * 2:
            writer.add(person)
        gc.collect()
        left = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        writer.close()
    return left
