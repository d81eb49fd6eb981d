"""Which version of a record stands, whatever the order of its arrival."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path

import pytest

from lakehouse.storage.engine import Engine
from lakehouse.storage.lake import Lake
from tests.workbench import (
    NOW,
    Resource,
    day,
    deletion,
    drop,
    ingest,
    lake_at,
    manifest,
    patient,
    rows,
    take,
)

# Each case: how versions are dated, then the deliveries in the order of their arrival, each a content (`-` is a
# delete) with the day of its own or of its export's time, and the content that stands in the end.
CASES = [
    ("received", "A B A", "A"),
    ("received", "A B A B", "B"),
    ("received", "A - A", "A"),
    ("received", "A - -", "-"),
    ("updated", "A1 B2 A1", "B"),
    ("updated", "A1 B2 A3", "A"),
    ("updated", "B2 A1", "B"),
    ("updated", "A1 A5 B3", "A"),
    ("updated", "A1 A5 B6", "B"),
    ("updated", "A1 A5 B6 A5", "B"),
    ("updated", "A1 A5 -3", "A"),
    ("updated", "A1 -3", "-"),
    ("updated", "-3 A1", "-"),
    ("updated", "A1 -3 A4", "A"),
    ("updated", "A1 -3 -6 A5", "-"),
    ("updated", "A3 -3", "-"),
    ("export", "A1 B2 A3", "A"),
    ("export", "A1 B3 A1", "B"),
    ("export", "A1 A5 B3", "A"),
    ("export", "A2 -1", "A"),
    *[("updated", " ".join(order), "A") for order in permutations(["A1", "B3", "A5", "-4"])],
]


def say(content: str, key: str = "p1", **more: object) -> Resource:
    if content == "-":
        return deletion(f"Patient/{key}")
    return patient(key, birthDate=None, name=content, **more)


def current(lake: Lake) -> dict[str, str]:
    """The content of every record that stands, by its id."""
    with Engine(lake, threads=1) as engine:
        view = lake.catalog.table("fhir.resource")
        for read in lake.catalog.stored_reads(view):
            stored = lake.find(read.name)
            engine.attach(read, stored.version if stored else None)
        engine.attach_views(view)
        engine.attach_view(view)
        found = engine.table(
            "select split_part(resource_id, '/', 2) as key, resource ->> 'name' as name "
            "from fhir.resource"
        ).to_pylist()
    assert len({row["key"] for row in found}) == len(found), "a record has one current version"
    return {row["key"]: row["name"] for row in found}


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What stands after all cases, each a record of its own, were delivered turn by turn."""
    root = tmp_path_factory.mktemp("versions")
    for turn in range(max(len(told.split()) for _, told, _ in CASES)):
        lake = lake_at(root, NOW + timedelta(days=turn))
        for export, sent in _turn(turn).items():
            if export:
                drop(lake, "north_ehr", f"{export}/manifest.json", manifest(export, "p.ndjson"))
            drop(lake, "north_ehr", f"{export or 'plain'}/p.ndjson", sent)
        ingest(lake)
    return current(lake)


def _turn(turn: int) -> dict[str, list[Resource]]:
    """What all cases send in one turn, by the time of the export it is part of."""
    sent: dict[str, list[Resource]] = defaultdict(list)
    for number, (dated, told, _) in enumerate(CASES):
        for delivery in told.split()[turn : turn + 1]:
            content, at = delivery[0], day(int(delivery[1:])) if delivery[1:] else ""
            own = at if dated == "updated" and content != "-" else None
            sent["" if own else at].append(say(content, f"case{number}", updated=own))
    return sent


@pytest.mark.parametrize(
    ("number", "dated", "told", "stands"),
    [(number, *case) for number, case in enumerate(CASES)],
    ids=[f"{dated}: {told}" for dated, told, _ in CASES],
)
def test_the_newest_version_stands(
    standing: dict[str, str], number: int, dated: str, told: str, stands: str
) -> None:
    assert standing.get(f"case{number}", "-") == stands


@pytest.mark.long
def test_a_version_id_that_is_no_whole_number_has_no_rank(lake: Lake) -> None:
    spellings = ["1e3", "2.5", "1E2", "-7", "9" * 30, "9" * 5000, "v9", " 9", "+9", "٩"]
    whole = [say("whole", f"n{n}", updated=day(1), version=5) for n in range(len(spellings))]
    odd = [say("odd", f"n{n}", updated=day(1), version=v) for n, v in enumerate(spellings)]
    take(lake, *odd, *whole, *odd)
    assert set(current(lake).values()) == {"whole"}
    take(
        lake,
        *odd,
        *[say("last", f"n{n}", updated=day(1), version=v) for n, v in enumerate(spellings)],
    )
    assert set(current(lake).values()) == {"whole"}


def test_lines_of_one_file_without_times_are_versions_in_their_order(lake: Lake) -> None:
    loaded = take(lake, say("A"), say("B"), say("A"), say("A"))
    assert current(lake) == {"p1": "A"}
    assert (loaded.good, loaded.unchanged) == (3, 1)


@pytest.mark.long
def test_what_comes_again_unchanged_is_counted_and_not_kept(lake: Lake) -> None:
    assert take(lake, say("A", updated=day(1)), patient("p2")).good == 2
    again = take(lake, say("A", updated=day(1)), patient("p2"), patient("p3"))
    assert (again.records, again.good, again.unchanged) == (3, 1, 2)
    assert len(rows(lake, "bronze.fhir_resource")) == 3


@pytest.mark.long
def test_a_new_version_number_alone_is_no_new_content(lake: Lake) -> None:
    take(lake, say("A", updated=day(1), version=1))
    again = take(lake, say("A", updated=day(2), version=2))
    assert (again.good, again.unchanged) == (0, 1)
    seen = [row["version_at"] for row in rows(lake, "bronze.fhir_seen")]
    assert seen == [datetime(2026, 1, 2, tzinfo=UTC)]


@pytest.mark.long
def test_two_feeds_of_one_source_correct_each_other(tmp_path: Path) -> None:
    turns = [("north_ehr", "A"), ("north_lab", "B"), ("north_ehr", "A"), ("north_lab", "A")]
    for place, (feed, content) in enumerate(turns):
        lake = lake_at(tmp_path, NOW + timedelta(days=place))
        drop(lake, feed, "x.ndjson", [say(content)])
        ingest(lake, feed)
    assert current(lake) == {"p1": "A"}
    assert len(rows(lake, "landing.ledger")) == len(turns)


@pytest.mark.long
def test_the_same_file_under_a_later_export_confirms_what_it_says(lake: Lake) -> None:
    for number, content in [(1, "A"), (5, "A"), (3, "B")]:
        drop(lake, "north_ehr", "x/p.ndjson", [say(content)])
        drop(lake, "north_ehr", "x/manifest.json", manifest(day(number), "p.ndjson"))
        ingest(lake)
    assert current(lake) == {"p1": "A"}


@pytest.mark.long
def test_two_sources_with_one_id_never_meet(lake: Lake) -> None:
    take(lake, patient("p1"), feed="north_ehr")
    take(lake, patient("p1"), feed="south_ehr")
    ids = {row["resource_id"] for row in rows(lake, "bronze.fhir_resource")}
    assert ids == {"north/p1", "south/p1"}


@pytest.mark.long
def test_a_bundle_of_deletions_may_name_a_record_twice(lake: Lake) -> None:
    loaded = take(lake, patient("p1"), deletion("Patient/p1", "Patient/p9", "Patient/p1"))
    assert (loaded.records, loaded.good) == (2, 2)
    assert len(rows(lake, "bronze.fhir_resource")) == 3
    assert current(lake) == {}
