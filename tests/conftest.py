"""What tests of the core share: a lake of their own in a folder."""

from pathlib import Path

import pytest

from lakehouse.storage.lake import Lake
from tests.workbench import lake_at


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """An empty lake in a folder, with the three feeds of the workbench."""
    return lake_at(tmp_path)
