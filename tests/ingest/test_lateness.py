"""A feed that promised to send and did not is late, also one that never sends anything."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from lakehouse.errors import QualityError
from lakehouse.ingest.landing import land
from lakehouse.ingest.lateness import judge_lateness, refuse_late
from lakehouse.storage.lake import Lake
from tests.workbench import drop, lake_at, patient

FEEDS = """
[feed.ward]
about = "The ward"
source = "ward"
reads = "fhir"
zone = "America/New_York"
owner = "ward-team"
settle = "0 seconds"
expect = "daily by 07:00"

[feed.silent]
about = "Nobody ever heard of it"
source = "silent"
reads = "fhir"
zone = "Europe/Vienna"
owner = "nobody"
expect = "weekdays by 06:00"

[feed.casual]
about = "Comes when it comes"
source = "casual"
reads = "fhir"
zone = "UTC"
owner = "tests"
"""


def lake_of(root: Path, day: int, hour: int) -> Lake:
    """The lake on a day of March 2026, at an hour of UTC; New York is four hours behind."""
    (root / "config").mkdir(exist_ok=True)
    (root / "config" / "feeds.toml").write_text(FEEDS)
    return lake_at(
        root, datetime(2026, 3, day, hour, tzinfo=UTC), LAKEHOUSE_CONFIG=str(root / "config")
    )


def late(lake: Lake) -> dict[str, str]:
    """Since when each feed is late: day and hour."""
    found = judge_lateness(lake)
    return {one.feed: f"{one.late_since:%d %H}" if one.late_since else "" for one in found}


@pytest.mark.long
def test_a_feed_is_late_from_its_local_hour_until_something_comes(tmp_path: Path) -> None:
    lake = lake_of(tmp_path, 17, 9)
    drop(lake, "ward", "a.ndjson", [patient()])
    land(lake, lake.catalog.feeds["ward"])
    assert late(lake_of(tmp_path, 17, 12))["ward"] == ""
    assert late(lake_of(tmp_path, 18, 10))["ward"] == ""
    assert late(lake_of(tmp_path, 18, 11))["ward"] == "18 11"
    assert late(lake_of(tmp_path, 19, 20))["ward"] == "18 11"
    lake = lake_of(tmp_path, 19, 21)
    drop(lake, "ward", "b.ndjson", [patient("p2")])
    land(lake, lake.catalog.feeds["ward"])
    assert late(lake)["ward"] == ""


def test_a_feed_that_never_sent_is_late_and_one_that_promised_nothing_is_not(
    tmp_path: Path,
) -> None:
    assert late(lake_of(tmp_path, 18, 12)) == {"ward": "18 11", "silent": "18 05"}


def test_who_is_late_is_named_with_the_time_and_an_exit_code(tmp_path: Path) -> None:
    found = judge_lateness(lake_of(tmp_path, 18, 12))
    with pytest.raises(QualityError, match=r"ward since 2026-03-18 11:00 UTC; silent since") as it:
        refuse_late(found)
    assert it.value.exit_code == 11
    refuse_late([])
