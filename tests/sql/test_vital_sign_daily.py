"""gold.vital_sign_daily: what a patient's day was like, the same on every run."""

import pytest

from tests.sql.drawn import Tables, read

HEADER = (
    "patient_id | source | observation_status | vital_sign | observation_id | component_number"
    " | observed_on | observed_at | vital_sign_value | is_plausible"
)


def given(tables: Tables, drawn: str) -> None:
    """Heart rates of p1 on one day: id, component, hour, value, plausible, and perhaps a status."""
    lines = [HEADER]
    for identity, component, hour, value, plausible, *status in read(drawn):
        at = "-" if hour == "-" else f"2026-01-05 {hour}:00Z"
        cells = ["p1", "north", *(status or ["final"]), "heart_rate", identity, component]
        lines.append(" | ".join([*cells, "2026-01-05", at, value, plausible]))
    tables.given("silver.observation", "\n".join(lines))
    tables.build("gold.vital_sign_daily")


DAY = ["n_measurement", *(f"vital_sign_{what}" for what in ("min", "max", "mean", "first", "last"))]


def test_a_day_has_its_number_range_mean_first_and_last(tables: Tables) -> None:
    given(
        tables,
        """
        o3 | 0 | 15:00 | 90.5 | true
        o1 | 0 | 09:00 | 70.0 | true
        o2 | 0 | 12:00 | 61.0 | true
        """,
    )
    (day,) = tables.draw("gold.vital_sign_daily", DAY)
    assert day == ("3", "61.0", "90.5", "73.833333", "70.0", "90.5")
    tables.holds("gold.vital_sign_daily", "vital_sign_unit | source\n/min | north")
    assert tables.broken("gold.vital_sign_daily") == {}


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_at_the_same_time_the_key_decides(tables: Tables, order: tuple[int, ...]) -> None:
    rows = ["o1|2|09:00|1.0|true", "o2|0|09:00|2.0|true", "o1|1|09:00|3.0|true"]
    given(tables, "\n".join(rows[place] for place in order))
    tables.holds("gold.vital_sign_daily", "vital_sign_first | vital_sign_last\n3.0 | 2.0")


def test_a_value_without_time_of_day_counts_and_comes_last(tables: Tables) -> None:
    given(tables, "o1 | 0 | - | 50.0 | true\no2 | 0 | 23:00 | 60.0 | true")
    tables.holds(
        "gold.vital_sign_daily",
        "n_measurement | vital_sign_first | vital_sign_last\n2 | 60.0 | 50.0",
    )


def test_what_is_not_possible_is_counted_apart(tables: Tables) -> None:
    given(tables, "o1 | 0 | 09:00 | 70.0 | true\no2 | 0 | 10:00 | 999.0 | false")
    tables.holds(
        "gold.vital_sign_daily",
        "n_measurement | n_implausible | vital_sign_max | vital_sign_last\n1 | 1 | 70.0 | 70.0",
    )
    given(tables, "o2 | 0 | 10:00 | 1e30 | false")
    tables.holds("gold.vital_sign_daily", "patient_id")


STATUSES = """
status      | counts
final       | 1
amended     | 1
corrected   | 1
preliminary | 1
registered  | 0
cancelled   | 0
unknown     | 0
"""


@pytest.mark.parametrize(("status", "counts"), read(STATUSES)[1:])
def test_only_what_was_reported_counts(tables: Tables, status: str, counts: str) -> None:
    given(tables, f"o1 | 0 | 09:00 | 70.0 | true | {status}")
    assert len(tables.draw("gold.vital_sign_daily", ["patient_id"])) == int(counts)


def test_the_mean_does_not_depend_on_the_order_of_the_rows(tables: Tables) -> None:
    values = [0.1, 0.7, 0.2, 1e11, -1e11, 0.3]
    means = set()
    for turn in range(len(values)):
        told = values[turn:] + values[:turn]
        given(tables, "\n".join(f"o{v} | 0 | 09:00 | {v} | true" for v in told))
        means.add(tables.one("select vital_sign_mean from gold.vital_sign_daily"))
    assert means == {0.216667}
