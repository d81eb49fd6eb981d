"""DICOM: what the archive of each site holds, one Part 10 file an instance, uncompressed.

A file is `<site>/<study UID>/<series UID>/<SOP instance UID>.dcm`. Besides the series of the story
a study has a structured report, a segmentation where a lesion lies in space, and a CT its dose
screen. Two defects: an image that was sent again (`.again.dcm`), and one whose UID came again with
other bytes (`.other.dcm`).
"""

from importlib import import_module
from pathlib import Path
from typing import cast

from lakehouse.datasets.synthetic.formats import Renderer
from lakehouse.datasets.synthetic.population import Population
from lakehouse.datasets.synthetic.truth import Truth


def open_format(population: Population, folder: Path, truth: Truth) -> Renderer:
    """An archive below a folder that does not exist yet."""
    # pydicom takes half a second to import: only who writes DICOM waits for it
    archive = import_module(f"{__name__}.archive")
    folder.mkdir()
    return cast(Renderer, archive.Archive(population, folder, truth))
