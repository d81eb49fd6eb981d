"""gold.ward_census_hourly: who was where in which hour of the local clock."""

import pytest

from tests.sql.drawn import Tables, read

HOURS = "hour_at | n_patient | n_patient_at_start | patient_hours"


def given(tables: Tables, drawn: str) -> None:
    """Stays of inpatients: patient, source, ward, start, end and the time of the version."""
    header = "encounter_id | stay_number | encounter_status | is_inpatient | patient_id | source"
    rows = enumerate(read(drawn))
    lines = [f"e{number} | 1 | in-progress | true | {' | '.join(row)}" for number, row in rows]
    told = [f"{header} | ward_id | started_at | ended_at | version_at", *lines]
    tables.given("silver.ward_stay", "\n".join(told))
    tables.build("gold.ward_census_hourly")


def test_a_stay_counts_in_each_hour_that_it_touches(tables: Tables) -> None:
    given(
        tables,
        "p1 | north | w1 | 2026-01-05 10:15:00Z | 2026-01-05 12:30:00Z | 2026-02-01 00:00:00Z",
    )
    tables.holds(
        "gold.ward_census_hourly",
        """
        hour_at                | hour_on    | hour_of_day | n_patient_at_start | patient_hours
        2026-01-05 10:00:00+00 | 2026-01-05 | 5           | 0                  | 0.750000
        2026-01-05 11:00:00+00 | 2026-01-05 | 6           | 1                  | 1.000000
        2026-01-05 12:00:00+00 | 2026-01-05 | 7           | 1                  | 0.500000
        """,
    )


def test_who_leaves_on_the_hour_is_not_in_it_and_who_comes_on_it_is(tables: Tables) -> None:
    given(
        tables,
        """
        p1 | north | w1 | 2026-01-05 10:00:00Z | 2026-01-05 11:00:00Z | 2026-02-01 00:00:00Z
        p2 | north | w1 | 2026-01-05 11:00:00Z | 2026-01-05 12:00:00Z | 2026-02-01 00:00:00Z
        """,
    )
    tables.holds(
        "gold.ward_census_hourly",
        f"""
        {HOURS}
        2026-01-05 10:00:00+00 | 1 | 1 | 1.000000
        2026-01-05 11:00:00+00 | 1 | 1 | 1.000000
        """,
    )


def test_a_patient_who_comes_back_within_the_hour_is_one_patient(tables: Tables) -> None:
    given(
        tables,
        """
        p1 | north | w1 | 2026-01-05 10:00:00Z | 2026-01-05 10:15:00Z | 2026-02-01 00:00:00Z
        p1 | north | w1 | 2026-01-05 10:45:00Z | 2026-01-05 11:00:00Z | 2026-02-01 00:00:00Z
        p2 | north | w1 | 2026-01-05 10:50:00Z | 2026-01-05 11:00:00Z | 2026-02-01 00:00:00Z
        """,
    )
    tables.holds(
        "gold.ward_census_hourly",
        "n_patient | n_patient_at_start | n_stay | patient_hours\n2 | 1 | 3 | 0.666667",
    )


NIGHTS = """
source | night      | start                | hours | day
north  | back       | 2026-11-01 04:00:00Z | 25    | 2026-11-01
south  | back       | 2026-11-01 05:00:00Z | 25    | 2026-11-01
north  | forward    | 2026-03-08 05:00:00Z | 23    | 2026-03-08
south  | forward    | 2026-03-08 06:00:00Z | 23    | 2026-03-08
north  | ordinary   | 2026-06-01 04:00:00Z | 24    | 2026-06-01
"""


@pytest.mark.parametrize(("source", "night", "start", "hours", "day"), read(NIGHTS)[1:])
def test_a_local_day_has_23_24_or_25_hours(
    tables: Tables, source: str, night: str, start: str, hours: str, day: str
) -> None:
    tables.given(
        "silver.ward_stay",
        f"""
        encounter_id | stay_number | is_inpatient | patient_id | source   | ward_id | started_at
        e1           | 1           | true         | p1         | {source} | w1      | {start}
        """,
    )
    tables.db.execute("update silver.ward_stay set ended_at = started_at + interval 48 hours")
    tables.build("gold.ward_census_hourly")
    (found,) = tables.db.execute(
        "select count(*), sum(patient_hours), count(distinct hour_at) "
        f"from gold.ward_census_hourly where hour_on = '{day}'"
    ).fetchall()
    assert found[0] == found[1] == found[2] == int(hours)
    doubled = tables.one(
        "select string_agg(hour_of_day, ',') from (select hour_of_day from "
        f"gold.ward_census_hourly where hour_on = '{day}' group by all having count(*) > 1)"
    )
    assert doubled == ("1" if night == "back" else None)
    assert tables.one("select sum(patient_hours) from gold.ward_census_hourly") == 48


ZONES = """
zone                | started              | first hour             | hour_of_day
Asia/Kolkata        | 2026-01-05 10:40:00Z | 2026-01-05 10:30:00+00 | 16
Asia/Kolkata        | 2026-01-05 10:20:00Z | 2026-01-05 09:30:00+00 | 15
Asia/Kathmandu      | 2026-01-05 10:20:00Z | 2026-01-05 10:15:00+00 | 16
Australia/Lord_Howe | 2026-01-05 10:20:00Z | 2026-01-05 10:00:00+00 | 21
America/St_Johns    | 2026-01-05 10:20:00Z | 2026-01-05 09:30:00+00 | 6
"""


@pytest.mark.parametrize(("zone", "started", "first", "hour"), read(ZONES)[1:])
def test_an_hour_begins_when_the_local_clock_says_so(
    tables: Tables, zone: str, started: str, first: str, hour: str
) -> None:
    tables.db.execute(f"update codes.source set zone = '{zone}'")
    given(tables, f"p1 | north | w1 | {started} | 2026-01-05 11:00:00Z | 2026-02-01 00:00:00Z")
    rows = tables.draw("gold.ward_census_hourly", ["hour_at", "hour_of_day", "patient_hours"])
    assert rows[0][:2] == (first, hour)
    total = tables.one("select round(sum(patient_hours) * 60) from gold.ward_census_hourly")
    assert total == {"40": 20, "20": 40}[started[14:16]]


def test_an_open_stay_counts_until_the_last_that_is_known_of_its_ward(tables: Tables) -> None:
    given(
        tables,
        """
        p1 | north | w1 | 2026-01-05 10:00:00Z | -                    | 2026-01-05 10:05:00Z
        p2 | north | w1 | 2026-01-04 00:00:00Z | 2026-01-04 01:00:00Z | 2026-01-05 12:30:00Z
        p3 | north | w2 | 2026-01-05 10:00:00Z | -                    | 2026-01-05 10:30:00Z
        """,
    )
    tables.holds(
        "gold.ward_census_hourly",
        """
        ward_id | hour_at                | n_patient | patient_hours
        w1      | 2026-01-04 00:00:00+00 | 1         | 1.000000
        w1      | 2026-01-05 10:00:00+00 | 1         | 1.000000
        w1      | 2026-01-05 11:00:00+00 | 1         | 1.000000
        w1      | 2026-01-05 12:00:00+00 | 1         | 0.500000
        w2      | 2026-01-05 10:00:00+00 | 1         | 0.500000
        """,
    )


def test_an_end_in_the_future_of_its_record_is_only_a_plan(tables: Tables) -> None:
    given(
        tables,
        """
        p1 | north | w1 | 2026-01-05 10:00:00Z | 9999-12-31 00:00:00Z | 2026-01-05 10:05:00Z
        p2 | north | w1 | 2026-01-05 10:00:00Z | 2026-01-05 11:00:00Z | 2026-01-05 10:05:00Z
        p3 | north | w1 | 2026-01-04 00:00:00Z | 2026-01-04 01:00:00Z | 2026-01-05 12:00:00Z
        """,
    )
    tables.holds(
        "gold.ward_census_hourly",
        """
        hour_at                | n_patient
        2026-01-04 00:00:00+00 | 1
        2026-01-05 10:00:00+00 | 2
        2026-01-05 11:00:00+00 | 1
        """,
    )


def test_a_long_stay_that_has_ended_counts_in_full(tables: Tables) -> None:
    given(tables, "p1|north|w1|2020-01-01 00:00:00Z|2022-01-01 00:00:00Z|2026-01-05 00:00:00Z")
    assert tables.one("select count(*) from gold.ward_census_hourly") == 731 * 24


def test_a_stay_nobody_closed_does_not_fill_the_ward_for_ever(tables: Tables) -> None:
    given(tables, "p1 | north | w1 | 2020-01-01 00:00:00Z | - | 2026-01-05 10:05:00Z")
    assert tables.one("select count(*) from gold.ward_census_hourly") == 366 * 24


OTHERS = """
is_inpatient | encounter_status | started_at           | ended_at             | counts
true         | in-progress      | 2026-01-05 10:00:00Z | 2026-01-05 11:00:00Z | 1
true         | finished         | 2026-01-05 10:00:00Z | 2026-01-05 11:00:00Z | 1
true         | in-progress      | 2026-01-05 10:00:00Z | -                    | 1
true         | arrived          | 2026-01-05 10:00:00Z | -                    | 1
true         | onleave          | 2026-01-05 10:00:00Z | -                    | 1
true         | finished         | 2026-01-05 10:00:00Z | -                    | 0
true         | unknown          | 2026-01-05 10:00:00Z | -                    | 0
false        | in-progress      | 2026-01-05 10:00:00Z | 2026-01-05 11:00:00Z | 0
true         | in-progress      | -                    | 2026-01-05 11:00:00Z | 0
true         | in-progress      | 2026-01-05 10:00:00Z | 2026-01-05 10:00:00Z | 0
"""


@pytest.mark.parametrize("row", read(OTHERS)[1:], ids=" ".join)
def test_only_inpatients_with_hours_that_are_known_count(
    tables: Tables, row: tuple[str, ...]
) -> None:
    header = read(OTHERS)[0][:-1]
    names = ("patient_id", "source", "ward_id", "version_at", *header)
    values = ("p1", "north", "w1", "2026-01-05 11:00:00Z", *row[:-1])
    tables.given("silver.ward_stay", " | ".join(names) + "\n" + " | ".join(values))
    tables.build("gold.ward_census_hourly")
    assert tables.one("select count(*) from gold.ward_census_hourly") == int(row[-1])


def test_the_unknown_wards_of_two_sources_are_two_wards(tables: Tables) -> None:
    given(
        tables,
        """
        p1 | north | north/unknown | 2026-01-05 10:00:00 | 2026-01-05 11:00:00 | 2026-02-01
        p1 | south | south/unknown | 2026-01-05 10:00:00 | 2026-01-05 11:00:00 | 2026-02-01
        """,
    )
    tables.holds(
        "gold.ward_census_hourly",
        """
        ward_id       | source | hour_of_day
        north/unknown | north  | 5
        south/unknown | south  | 4
        """,
    )
    assert tables.broken("gold.ward_census_hourly") == {}
