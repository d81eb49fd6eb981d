"""The macros: what they read, and that what does not convert is null."""

import pytest

from tests.sql.drawn import NULL, Tables, read

TIMES = """
told                                | at                                | on         | precision
2020                                | -                                 | -          | year
2020-02                             | -                                 | -          | month
2020-02-28                          | -                                 | 2020-02-28 | day
2020-02-28T23:30:00-05:00           | 2020-02-29 04:30:00+00            | 2020-02-28 | second
2020-02-28T23:30:00.5-05:00         | 2020-02-29 04:30:00.5+00          | 2020-02-28 | second
2020-02-28T23:30:00.123456789-05:00 | 2020-02-29 04:30:00.123456+00     | 2020-02-28 | second
2020-07-01T02:30:00Z                | 2020-07-01 02:30:00+00            | 2020-06-30 | second
2020-07-01T02:30:00+00:00           | 2020-07-01 02:30:00+00            | 2020-06-30 | second
2020-07-01T02:30:00-00:00           | 2020-07-01 02:30:00+00            | 2020-06-30 | second
2020-07-01T02:30:00+14:00           | 2020-06-30 12:30:00+00            | 2020-07-01 | second
2026-03-08T06:59:59Z                | 2026-03-08 06:59:59+00            | 2026-03-08 | second
2026-11-01T03:59:59Z                | 2026-11-01 03:59:59+00            | 2026-10-31 | second
2026-11-01T04:00:00Z                | 2026-11-01 04:00:00+00            | 2026-11-01 | second
2020-07-01T02:30:00                 | -                                 | 2020-07-01 | day
2020-13                             | -                                 | -          | -
2020-02-30                          | -                                 | -          | -
2020-02-30T00:00:00Z                | -                                 | -          | -
2020-07-01T24:00:00Z                | -                                 | -          | -
2020-07-01T10:00:60Z                | -                                 | -          | -
2020-07-01T10:00Z                   | -                                 | -          | -
2020-07-01T10:00:00+15:00           | -                                 | -          | -
2020-07-01 10:00:00Z                | -                                 | -          | -
2020-7-1                            | -                                 | -          | -
20200701                            | -                                 | -          | -
yesterday                           | -                                 | -          | -
"""


@pytest.mark.parametrize(("told", "at", "on", "precision"), read(TIMES)[1:])
def test_a_time_is_an_instant_a_local_date_and_how_much_is_known(
    tables: Tables, told: str, at: str, on: str, precision: str
) -> None:
    row = tables.db.execute(
        "select cast(fhir_at($1) as varchar), "
        "cast(fhir_on($1, 'America/New_York') as varchar), fhir_precision($1)",
        [told],
    ).fetchone()
    assert tuple(value or NULL for value in row) == (at, on, precision)


def test_without_a_zone_an_instant_in_utc_has_no_local_date(tables: Tables) -> None:
    assert tables.one("select fhir_on('2020-07-01T02:30:00Z', null)") is None


REFERENCES = r"""
told                                                | points_to
Patient/7                                           | north/7
Patient/7/_history/2                                | north/7
https://ehr.example/fhir/Patient/7                  | north/7
https://ehr.example/fhir/Patient/7/_history/abc     | north/7
http://ehr.example/Patient/a.B-9                    | north/a.B-9
Encounter/7                                         | -
Patient/                                            | -
Patient/7/8                                         | -
Patient/a b                                         | -
Patient/7\n                                         | -
MyPatient/7                                         | -
/Patient/7                                          | -
Patient?identifier=urn:mrn,7                        | -
https://ehr.example/fhir?next=/Patient/7            | -
https://ehr.example/fhir#/Patient/7                 | -
urn:uuid:0f1e2d3c-0000-4000-8000-000000000000       | -
#contained                                          | -
"""


@pytest.mark.parametrize(("told", "points_to"), read(REFERENCES)[1:])
def test_a_reference_points_to_a_record_of_its_own_source_or_nowhere(
    tables: Tables, told: str, points_to: str
) -> None:
    query = "select fhir_reference('north', $1, 'Patient')"
    (found,) = tables.db.execute(query, [told.replace("\\n", "\n")]).fetchone()
    assert (found or NULL) == points_to


def test_an_id_has_at_most_64_characters(tables: Tables) -> None:
    query = "select fhir_reference('n', 'Patient/' || repeat('x', {}), 'Patient') is not null"
    assert tables.one(query.format(64))
    assert not tables.one(query.format(65))


NUMBERS = """
told                 | number
0                    | 0.0
-0.50                | -0.5
176.35499866729558   | 176.35499866729558
1.5e2                | 150.0
007                  | -
1,5                  | -
NaN                  | -
Infinity             | -
1e400                | -
1_000                | -
true                 | -
five                 | -
"""


@pytest.mark.parametrize(("told", "number"), read(NUMBERS)[1:])
def test_a_number_is_a_number_or_null(tables: Tables, told: str, number: str) -> None:
    (found,) = tables.db.execute("select fhir_number($1)", [told]).fetchone()
    assert (NULL if found is None else str(found)) == number


def test_the_type_of_a_value_is_not_guessed(tables: Tables) -> None:
    told = '{"code": "text", "list": {"a": 1}, "number": {"b": 2}}'
    shape = (
        '{"code": {"text": "VARCHAR"}, "list": ["VARCHAR"], "number": "VARCHAR", "no": "VARCHAR"}'
    )
    record = tables.one(f"select fhir_shape('{told}', '{shape}')")
    assert (record["code"] or {}).get("text") is None
    assert record["list"] is None
    assert tables.one(f"select fhir_number(fhir_shape('{told}', '{shape}').number)") is None
    assert record["no"] is None


def test_a_coding_is_preferred_by_its_system_and_then_by_its_place(tables: Tables) -> None:
    codings = "[{'system': 's', 'code': null}, {'system': 'a', 'code': '1'}"
    codings += ", {'system': 'b', 'code': '2'}]"
    assert tables.one(f"select fhir_preferred({codings}, 'b').code") == "2"
    assert tables.one(f"select fhir_preferred({codings}, 'c').code") == "1"
    assert tables.one(f"select fhir_preferred({codings}, 's').code") == "1"
    assert tables.one(f"select fhir_coding({codings}, 'c')") is None
    assert tables.one(f"select fhir_tokens({codings})") == ["a|1", "b|2"]
