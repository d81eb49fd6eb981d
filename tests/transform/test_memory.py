"""A slot's memory is enough for every table, however many rows a first build has."""

import pytest

from lakehouse.transform.build import build
from tests.workbench import drop, ingest, lake_at, pulse

ROWS = 60_000

pytestmark = pytest.mark.long


def test_the_widest_table_is_built_in_the_least_slot(tmp_path):
    lake = lake_at(tmp_path, LAKEHOUSE_MEMORY="1GiB", LAKEHOUSE_SLOTS="4")
    drop(lake, "north_ehr", "Observation.ndjson", (pulse(f"o{n}") for n in range(ROWS)))
    assert ingest(lake).good == ROWS
    assert build(lake, "silver.observation").rows == ROWS
