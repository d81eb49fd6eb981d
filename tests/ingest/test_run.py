"""`lakehouse run` takes in every feed that it can."""

from pathlib import Path

import pytest

from lakehouse.errors import LakehouseError
from lakehouse.transform.river import run
from tests.ingest.ehr import Ehr, says
from tests.ingest.site import STANZA
from tests.workbench import FEEDS, drop, lake_at, patient, rows


@pytest.mark.long
def test_a_feed_whose_server_refuses_keeps_no_other_feed_back(tmp_path: Path, ehr: Ehr) -> None:
    ehr.faults = {"kickoff": [says(401)]}
    config = tmp_path / "config"
    config.mkdir()
    others = FEEDS.replace("[feed.north_ehr]", "[feed.west_ehr]").replace('"north"', '"west"', 1)
    (config / "feeds.toml").write_text(STANZA.format(base=ehr.base, keys="") + others)
    lake = lake_at(tmp_path)
    drop(lake, "south_ehr", "patients.ndjson", [patient()])
    told: list[str] = []
    with pytest.raises(LakehouseError, match="north_ehr"):
        run(lake.settings, told.append, feeds=lake.catalog.feeds, tables=["silver.patient"])
    assert [row["patient_id"] for row in rows(lake, "silver.patient")] == ["south/p1"]
    assert any(line.startswith("north_ehr: ") for line in told)
