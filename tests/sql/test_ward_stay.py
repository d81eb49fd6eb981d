"""silver.ward_stay: where inpatients were, until when and why then, and what nobody told."""

import pytest

from tests.sql.drawn import Tables
from tests.sql.fhir import Resource, concept, encounter, period, stay

LEVELS = "http://terminology.hl7.org/CodeSystem/location-physical-type"


def at(hour: int) -> str:
    """An hour of a day in January, and of the next if it is beyond 24."""
    return f"2026-01-{5 + hour // 24:02}T{hour % 24:02}:00:00Z" if hour >= 0 else ""


def told(start: int, end: int = -1, *places: Resource, **more: object) -> Resource:
    return encounter(period=period(at(start), at(end)), location=list(places), **more)


def shows(tables: Tables, resource: Resource, drawn: str) -> None:
    """Assert the stays of one encounter; `h7` is hour 7."""
    tables.tell(resource)
    tables.build("silver.ward_stay")
    tables.db.execute(
        """
        create or replace view drawn as
        select stay_number, split_part(ward_id, '/', 2) as ward,
               'h' || date_diff('hour', timestamptz '2026-01-05 00:00:00+00', started_at) as from_,
               'h' || date_diff('hour', timestamptz '2026-01-05 00:00:00+00', ended_at) as until,
               end_basis as why
        from silver.ward_stay
        """
    )
    tables.holds("drawn", "stay_number | ward | from_ | until | why\n" + drawn)


def test_each_place_is_a_stay_in_the_order_of_time(tables: Tables) -> None:
    shows(
        tables,
        told(0, 20, stay("w2", at(4), at(20)), stay("w1", at(0), at(4))),
        """
        1 | w1 | h0 | h4  | written
        2 | w2 | h4 | h20 | written
        """,
    )


def test_a_stay_without_an_end_ends_with_the_next_or_with_the_encounter(tables: Tables) -> None:
    shows(
        tables,
        told(0, 20, stay("w1", at(0)), stay("w2", at(4))),
        """
        1 | w1 | h0 | h4  | next stay
        2 | w2 | h4 | h20 | discharge
        """,
    )


def test_the_last_stay_of_an_open_encounter_is_open(tables: Tables) -> None:
    shows(
        tables,
        told(0, -1, stay("w1", at(0)), stay("w2", at(4))),
        """
        1 | w1 | h0 | h4 | next stay
        2 | w2 | h4 | -  | -
        """,
    )


def test_the_only_place_without_a_period_is_the_whole_encounters(tables: Tables) -> None:
    shows(tables, told(0, 20, stay("w1")), "1 | w1 | h0 | h20 | discharge")


def test_of_several_places_without_periods_nobody_knows_when(tables: Tables) -> None:
    shows(
        tables,
        told(0, 20, stay("w1"), stay("w2")),
        """
        1 | unknown | h0 | h20 | gap
        2 | w1      | -  | -   | -
        3 | w2      | -  | -   | -
        """,
    )
    assert tables.broken("silver.ward_stay") == {"started_at is present": 2}


def test_an_inpatient_without_a_place_is_in_an_unknown_ward(tables: Tables) -> None:
    shows(tables, told(0, 20), "1 | unknown | h0 | h20 | gap")
    shows(tables, told(0), "1 | unknown | h0 | - | -")


def test_a_place_that_is_no_reference_by_id_is_an_unknown_ward(tables: Tables) -> None:
    place = {"location": {"reference": "Location?identifier=urn:x|w1"}}
    shows(tables, told(0, 20, place), "1 | unknown | h0 | h20 | discharge")


def test_time_that_no_ward_accounts_for_is_unknown_from_an_hour_on(tables: Tables) -> None:
    shows(
        tables,
        told(0, 20, stay("w1", at(1), at(4)), stay("w2", at(7), at(18))),
        """
        1 | unknown | h0  | h1  | gap
        2 | w1      | h1  | h4  | written
        3 | unknown | h4  | h7  | gap
        4 | w2      | h7  | h18 | written
        5 | unknown | h18 | h20 | gap
        """,
    )


def test_the_way_between_two_wards_is_no_stay(tables: Tables) -> None:
    places = (stay("w1", at(0), "2026-01-05T03:00:01Z"), stay("w2", at(4), at(20)))
    shows(
        tables,
        told(0, 20, *places),
        """
        1 | w1 | h0 | h3  | written
        2 | w2 | h4 | h20 | written
        """,
    )


def test_an_open_encounter_whose_last_stay_has_ended_goes_on_somewhere(tables: Tables) -> None:
    shows(
        tables,
        told(0, -1, stay("w1", at(0), at(4))),
        """
        1 | w1      | h0 | h4 | written
        2 | unknown | h4 | -  | -
        """,
    )


def test_stays_that_overlap_leave_no_gap_between_them(tables: Tables) -> None:
    shows(
        tables,
        told(0, 20, stay("w1", at(0), at(20)), stay("w2", at(4), at(6))),
        """
        1 | w1 | h0 | h20 | written
        2 | w2 | h4 | h6  | written
        """,
    )


@pytest.mark.parametrize("kind", ["AMB", "EMER", "OBSENC", "VR", "local"])
def test_only_for_inpatients_an_unknown_ward_is_a_stay(tables: Tables, kind: str) -> None:
    shows(tables, told(0, 20, kind=kind), "")
    place = stay("w1", at(4), at(6))
    shows(tables, told(0, 20, place, kind=kind), "1 | w1 | h4 | h6 | written")


@pytest.mark.parametrize("status", ["planned", "cancelled", "entered-in-error"])
def test_an_encounter_that_did_not_happen_has_no_stays(tables: Tables, status: str) -> None:
    shows(tables, told(0, 20, stay("w1", at(0), at(20)), status=status), "")


@pytest.mark.parametrize("level", ["bd", "ro", "bu", "si"])
def test_a_bed_or_a_building_is_no_ward(tables: Tables, level: str) -> None:
    places = (
        stay("w1", at(0), at(20), physicalType=concept("wa", LEVELS)),
        stay("x1", at(0), at(20), physicalType=concept(level, LEVELS)),
    )
    shows(tables, told(0, 20, *places), "1 | w1 | h0 | h20 | written")


@pytest.mark.parametrize("status", ["planned", "reserved"])
def test_a_place_that_only_waits_for_the_patient_is_no_stay(tables: Tables, status: str) -> None:
    places = (stay("w1", at(0), status="active"), stay("w2", at(4), status=status))
    shows(tables, told(0, -1, *places), "1 | w1 | h0 | - | -")


def test_an_inverted_stay_waits_and_an_inverted_encounter_takes_its_stays_along(
    tables: Tables,
) -> None:
    shows(
        tables,
        told(0, 20, stay("w1", at(0), at(20)), stay("w2", at(9), at(8))),
        "1|w1|h0|h20|written",
    )
    assert tables.one("select count(*) from quarantine.silver_ward_stay") == 1
    shows(tables, told(20, 0, stay("w1", at(0), at(20))), "")
    assert tables.one("select count(*) from quarantine.silver_ward_stay") == 1


def test_a_stay_of_which_only_the_day_is_known_has_no_hours(tables: Tables) -> None:
    shows(tables, encounter(period=period("2026-01-05", "2026-01-07")), "")
    place = stay("w1", "2026-01-05", "2026-01-06")
    shows(
        tables,
        encounter(period=period("2026-01-05", "2026-01-07"), location=[place]),
        "1 | w1 | - | - | -",
    )


@pytest.mark.parametrize("status", ["in-progress", "finished"])
def test_an_open_stay_of_more_than_a_year_or_of_a_finished_encounter_is_told_of(
    tables: Tables, status: str
) -> None:
    year = "2024" if status == "in-progress" else "2026"
    start = period(f"{year}-01-01T00:00:00Z")
    told = encounter(period=start, location=[stay("w1")], status=status)
    tables.tell(told, at="2026-01-05T00:00:00Z")
    tables.build("silver.ward_stay")
    (name,) = tables.broken("silver.ward_stay")
    assert ("366 days" in name) == (status == "in-progress")
