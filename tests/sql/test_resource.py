"""fhir.resource: which version of a record stands, in whatever order versions come."""

import json
from itertools import permutations

import pytest

from tests.sql.drawn import Tables, read
from tests.sql.fhir import patient, version

JAN = "2026-01-{:02}T00:00:00Z"


def name(word: str, number: str = "", day: int = 0) -> dict:
    """A version of p1 that says a word."""
    return version(patient(gender=word), number, JAN.format(day) if day else "")


def stands(tables: Tables, kind: str = "Patient") -> str:
    query = "select string_agg(coalesce(resource ->> 'gender', '?'), ',') from fhir.resource"
    return tables.one(f"{query} where resource_type = '{kind}'") or "nothing"


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_newest_version_stands_in_whatever_order_versions_come(
    tables: Tables, order: tuple[int, ...]
) -> None:
    versions = [name("old", "1", 1), name("middle", "2", 2), name("new", "3", 3)]
    for place in order:
        tables.tell(versions[place])
    assert stands(tables) == "new"


VERSIONS = """
first | second | stands
2     | 10     | second
10    | 2      | first
2     | -      | first
-     | 2      | second
abc   | 3      | second
3     | abc    | first
b     | a      | second
9999999999999999999 | 3 | second
"""


@pytest.mark.parametrize(("first", "second", "expected"), read(VERSIONS)[1:])
def test_on_equal_times_whole_version_numbers_decide_and_then_the_arrival(
    tables: Tables, first: str, second: str, expected: str
) -> None:
    for word, number in (("first", first), ("second", second)):
        tables.tell(name(word, number.replace("-", ""), 1))
    assert stands(tables) == expected


def test_without_update_times_the_export_decides(tables: Tables) -> None:
    tables.tell(name("new"), at=JAN.format(9))
    tables.tell(name("old"), at=JAN.format(2))
    assert stands(tables) == "new"


def test_a_and_b_and_a_again_ends_as_a(tables: Tables) -> None:
    for day, word in enumerate(("a", "b", "a"), 1):
        tables.tell(name(word), at=JAN.format(day))
    assert stands(tables) == "a"
    assert tables.one("select _sequence from fhir.resource") == 3


def test_a_version_that_comes_late_does_not_win_over_content_seen_again_since(
    tables: Tables,
) -> None:
    tables.tell(name("kept", "1", 1))
    tables.see_again(name("kept"), at=JAN.format(5))
    tables.tell(name("late", "2", 3))
    assert stands(tables) == "kept"
    tables.tell(name("new", "4", 6))
    assert stands(tables) == "new"


def test_what_was_seen_again_counts_for_its_own_content_only(tables: Tables) -> None:
    tables.tell(name("a", "1", 1))
    tables.tell(name("b", "2", 2))
    tables.see_again(name("c"), at=JAN.format(9))
    assert stands(tables) == "b"


def test_a_version_time_is_its_own_also_when_seen_again(tables: Tables) -> None:
    tables.tell(name("a", "1", 1))
    tables.see_again(name("a"), at=JAN.format(5))
    tables.holds("fhir.resource", "version_at\n2026-01-01 00:00:00+00")


DELETES = """
said            | deleted | stands
1               | 2       | nothing
3               | 2       | first
2               | 2       | nothing
1, 3            | 2       | second
1, 2            | 2       | nothing
"""


@pytest.mark.parametrize(("said", "deleted", "expected"), read(DELETES)[1:])
@pytest.mark.parametrize("delete_first", [True, False])
def test_a_delete_holds_until_a_newer_version_revives(
    tables: Tables, said: str, deleted: str, expected: str, *, delete_first: bool
) -> None:
    told = [
        name(word, str(day), day)
        for word, day in zip(("first", "second"), map(int, said.split(",")), strict=False)
    ]
    if delete_first:
        tables.delete("Patient/p1", at=JAN.format(int(deleted)))
    for resource in told:
        tables.tell(resource)
    if not delete_first:
        tables.delete("Patient/p1", at=JAN.format(int(deleted)))
    assert stands(tables) == expected


def test_a_delete_of_something_never_seen_is_nothing(tables: Tables) -> None:
    tables.delete("Patient/p9", at=JAN.format(1))
    assert stands(tables) == "nothing"


def test_the_same_id_is_another_record_in_another_source_and_type(tables: Tables) -> None:
    tables.tell(name("north", "1", 1), source="north")
    tables.tell(name("south", "9", 9), source="south")
    tables.tell({**name("other", "9", 9), "resourceType": "Person"}, source="north")
    tables.delete("Patient/p1", at=JAN.format(8), source="north")
    assert stands(tables) == "south"
    assert stands(tables, "Person") == "other"


def scans(plan: list) -> list[dict]:
    """What is said of each scan of bronze.fhir_resource in a plan."""
    found = [node["extra_info"] for node in plan if "_SCAN" in node["name"]]
    below = [scan for node in plan for scan in scans(node["children"])]
    return [scan for scan in found if scan["Table"].endswith("fhir_resource")] + below


def test_a_filter_on_the_type_reaches_every_scan_of_bronze(tables: Tables) -> None:
    tables.tell(name("a", "1", 1))
    query = "select resource from fhir.resource where resource_type = 'Patient'"
    ((_, plan),) = tables.db.execute(f"explain (format json) {query}").fetchall()
    filters = [scan["Filters"] for scan in scans(json.loads(plan))]
    assert len(filters) == 3
    assert all("resource_type='Patient'" in told for told in filters)


def test_restricted_to_some_records_only_these_are_ranked(tables: Tables) -> None:
    for day in (1, 2):
        tables.tell(name("a", str(day), day), {**name("b", str(day), day), "id": "p2"})
    tables.db.execute("alter table bronze.fhir_resource rename to all_of_it")
    tables.db.execute(
        "create view bronze.fhir_resource as from bronze.all_of_it "
        "where resource_id in (select 'north/p2')"
    )
    tables.holds("fhir.resource", "resource_id | version_id\nnorth/p2 | 2")
