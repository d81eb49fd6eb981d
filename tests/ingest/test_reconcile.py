"""What a complete export of a source does not hold is deleted, if it is little or a person said so."""

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lakehouse.ingest.load import Loaded
from lakehouse.ingest.manifest import tell_pull
from lakehouse.storage.lake import Lake
from lakehouse.transform.river import accept_missing
from tests.ingest.test_versions import current
from tests.workbench import (
    NOW,
    Resource,
    build_all,
    day,
    deletion,
    drop,
    ingest,
    lake_at,
    lines,
    patient,
    pulse,
    rows,
    take,
)

pytestmark = pytest.mark.long

MANY = [patient(f"p{number}", day(1), name=f"n{number}") for number in range(200)]


def complete(
    at: str, *names: str, types: Iterable[str] = (), accepted: bool = False, **more: Any
) -> bytes:
    """The manifest of a full export, as a pull lands it."""
    told = {"of": "system", "since": None, "types": types, "is_counted": True, "errors": 0}
    extension = tell_pull(**(told | more))
    extension["lakehouse"] |= {"accepted": True} if accepted else {}
    output = [{"type": "Patient", "url": name} for name in names]
    return json.dumps({"transactionTime": at, "output": output, "extension": extension}).encode()


def export(
    lake: Lake, at: str, *resources: Resource, feed: str = "north_ehr", **more: Any
) -> Loaded:
    """Deliver a full export, and load it."""
    folder = f"export-{at[:10]}-{more.pop('turn', 0)}"
    drop(lake, feed, f"{folder}/all.ndjson", more.pop("content", lines(resources)))
    drop(lake, feed, f"{folder}/manifest.json", complete(at, "all.ndjson", **more))
    return ingest(lake, feed)


def tombstones(lake: Lake) -> list[tuple[str, str]]:
    found = [row for row in rows(lake, "bronze.fhir_resource") if row["is_deleted"]]
    assert {row["version_basis"] for row in found} <= {"missing", "export", "received"}
    return sorted((row["resource_id"], str(row["version_at"])[:10]) for row in found)


def waiting(lake: Lake) -> list[str]:
    found = rows(lake, "quarantine.north_ehr") + rows(lake, "quarantine.south_ehr")
    return sorted(row["reason"] for row in found)


def test_what_is_missing_is_deleted_from_the_time_of_the_export(lake: Lake) -> None:
    assert export(lake, day(2), *MANY).missing == 0
    loaded = export(lake, day(5), *MANY[2:])
    assert (loaded.records, loaded.good, loaded.unchanged, loaded.missing) == (198, 0, 198, 2)
    assert tombstones(lake) == [("north/p0", "2026-01-05"), ("north/p1", "2026-01-05")]
    assert len(current(lake)) == 198
    built = build_all(lake, ["silver.patient"])["silver.patient"]
    assert built.rows == 198
    assert waiting(lake) == []


def test_a_deleted_record_comes_back_with_what_is_newer_and_not_with_what_is_older(
    lake: Lake,
) -> None:
    export(lake, day(2), *MANY)
    export(lake, day(5), *MANY[2:])
    take(lake, patient("p0", day(4), name="late"))
    assert "p0" not in current(lake)
    take(lake, patient("p1", day(6), name="newer"))
    assert current(lake)["p1"] == "newer"
    assert export(lake, day(9), *MANY[1:], patient("p0", name="again")).missing == 0
    assert current(lake)["p0"] == "again"


def test_what_is_newer_than_the_export_stays(lake: Lake) -> None:
    export(lake, day(2), *MANY)
    take(lake, patient("p0", day(7), name="newer"), patient("p200", day(8), name="born"))
    assert export(lake, day(5), *MANY[1:]).missing == 0
    assert {"p0", "p200"} <= current(lake).keys()
    # seen again unchanged, later
    take(lake, patient("p1", day(7), name="n1"))
    assert export(lake, day(6), *MANY[2:]).missing == 0


@pytest.mark.parametrize(
    ("why", "more"),
    [
        ("some types only", {"types": ["Observation"]}),
        ("one group", {"of": "Group/1"}),
        ("a time", {"since": day(1)}),
        ("not counted", {"is_counted": False}),
        ("errors", {"errors": 1}),
    ],
)
def test_an_export_that_claims_less_deletes_less(
    lake: Lake, why: str, more: dict[str, Any]
) -> None:
    export(lake, day(2), *MANY)
    assert export(lake, day(5), *MANY[1:], **more).missing == 0
    assert len(current(lake)) == 200
    assert waiting(lake) == []


def test_the_types_that_are_claimed_are_those_that_are_reconciled(lake: Lake) -> None:
    beats = [pulse(f"o{number}", day(1)) for number in range(200)]
    export(lake, day(2), *MANY, *beats)
    loaded = export(lake, day(5), *MANY[1:], *beats[:1], types=["Patient"])
    assert loaded.missing == 1
    assert tombstones(lake) == [("north/p0", "2026-01-05")]


def test_another_source_is_not_concerned_and_another_feed_of_the_source_is(lake: Lake) -> None:
    take(lake, *MANY, feed="south_ehr")
    take(lake, *MANY[:1], feed="north_lab")
    export(lake, day(2), *MANY)
    export(lake, day(5), *MANY[1:])
    assert tombstones(lake) == [("north/p0", "2026-01-05")]


def test_more_than_one_in_a_hundred_waits_for_a_person(lake: Lake) -> None:
    export(lake, day(2), *MANY)
    loaded = export(lake, day(5), *MANY[3:])
    assert (loaded.records, loaded.unchanged, loaded.quarantined, loaded.missing) == (
        198,
        197,
        1,
        0,
    )
    assert waiting(lake) == ["a complete export, which lacks 3 of 200 Patient"]
    assert tombstones(lake) == []
    accept_missing(lake.settings, "north_ehr", lambda: NOW)
    assert ingest(lake).missing == 3
    assert len(current(lake)) == 197
    # said twice, done once
    accept_missing(lake.settings, "north_ehr", lambda: NOW)
    assert ingest(lake).missing == 0
    assert len(tombstones(lake)) == 3


def test_what_is_accepted_is_judged_by_what_is_known_then(lake: Lake) -> None:
    export(lake, day(2), *MANY)
    export(lake, day(5), *MANY[5:])
    take(lake, patient("p1", day(6), name="newer"))
    accept_missing(lake.settings, "north_ehr", lambda: NOW)
    assert ingest(lake).missing == 4
    assert current(lake)["p1"] == "newer"


def test_an_export_that_cannot_be_read_whole_proves_nothing(lake: Lake) -> None:
    export(lake, day(2), *MANY)
    export(
        lake, day(5), content=lines(MANY[2:]) + b'{"resourceType": "Patient", "id": "p0", "x": }\n'
    )
    assert waiting(lake) == ["a complete export, of which 1 records cannot be read", "not JSON"]
    assert tombstones(lake) == []


def test_an_export_whose_files_are_not_all_here_proves_nothing(lake: Lake) -> None:
    export(lake, day(2), *MANY)
    drop(lake, "north_ehr", "x/all.ndjson", MANY[2:])
    drop(
        lake,
        "north_ehr",
        "x/manifest.json",
        complete(day(5), "all.ndjson", "more.ndjson", accepted=True),
    )
    assert ingest(lake).missing == 0
    assert waiting(lake) == ["a complete export, of whose files some are not here"]


def test_a_delete_that_was_told_is_not_told_again(lake: Lake) -> None:
    export(lake, day(2), *MANY)
    take(lake, deletion("Patient/p0"))
    assert export(lake, day(5), *MANY[1:]).missing == 0
    assert export(lake, day(6), *MANY[1:], turn=1).missing == 0


def test_an_export_in_many_batches_is_read_whole(tmp_path: Path) -> None:
    lake = lake_at(tmp_path)
    feeds = dict(lake.catalog.feeds)
    feeds["north_ehr"] = replace(feeds["north_ehr"], batch_bytes=1000)
    lake.catalog = replace(lake.catalog, feeds=feeds)
    export(lake, day(2), *MANY)
    for place in range(4):
        drop(lake, "north_ehr", f"x/{place}.ndjson", MANY[2:][place::4])
    drop(
        lake,
        "north_ehr",
        "x/manifest.json",
        complete(day(5), *[f"{place}.ndjson" for place in range(4)]),
    )
    assert ingest(lake).missing == 2
    assert len(current(lake)) == 198


STORY: dict[str, Callable[[Lake], Loaded]] = {
    "first": lambda lake: export(lake, day(2), *MANY),
    "full": lambda lake: export(lake, day(5), *MANY[1:], accepted=True),
    "newer": lambda lake: take(lake, patient("p1", day(7), name="newer")),
    "older": lambda lake: take(lake, patient("p0", day(3), name="older")),
    "unknown": lambda lake: take(lake, patient("p900", day(4), name="gone since")),
    "born": lambda lake: take(lake, patient("p901", day(6), name="born")),
}


@pytest.mark.parametrize(
    "order",
    [
        "first full newer older unknown born",
        "first newer older unknown born full",
        "first older full born newer unknown",
        "full first older newer born unknown",
        "unknown older born newer full first",
    ],
)
def test_the_order_of_arrival_does_not_matter(lake: Lake, order: str) -> None:
    for name in order.split():
        STORY[name](lake)
    found = current(lake)
    assert {"p0", "p900"} & found.keys() == set()
    assert (found["p1"], found["p901"]) == ("newer", "born")
    assert len(found) == 200


def test_what_comes_late_is_not_held_against_an_export_that_waits_or_claims_less(
    lake: Lake,
) -> None:
    export(lake, day(2), *MANY)
    export(lake, day(5), *MANY[9:])
    export(lake, day(6), pulse("o1", day(1)), types=["Observation"])
    export(lake, day(7), *MANY, since=day(2))
    assert take(lake, patient("p900", day(4))).missing == 0
    assert "p900" in current(lake)


def test_what_another_feed_brings_late_is_not_held_against_an_export_that_never_held_it(
    lake: Lake,
) -> None:
    export(lake, day(5), *MANY)
    assert take(lake, patient("p900", day(4)), feed="north_lab").missing == 0
    assert "p900" in current(lake)


def test_deletes_are_made_once_whatever_runs_again(tmp_path: Path) -> None:
    for turn, told in enumerate([MANY, MANY[2:], MANY[2:], MANY[2:]]):
        lake = lake_at(tmp_path, NOW + timedelta(days=turn))
        export(lake, day(2 + min(turn, 2)), *told, turn=turn)
        ingest(lake)
    assert tombstones(lake) == [("north/p0", "2026-01-03"), ("north/p1", "2026-01-03")]
