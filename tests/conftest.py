"""What tests of the core share: a lake of their own in a folder."""

from pathlib import Path

import hypothesis
import pytest

from lakehouse.storage.lake import Lake
from tests.workbench import lake_at

# the same examples on every run: a red build says something about the change that made it
hypothesis.settings.register_profile("tests", derandomize=True, database=None, deadline=None)
hypothesis.settings.register_profile("long", max_examples=5000, deadline=None, print_blob=True)
hypothesis.settings.load_profile("tests")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """An empty lake in a folder, with the three feeds of the workbench."""
    return lake_at(tmp_path)
