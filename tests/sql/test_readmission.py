"""gold.readmission: which episodes are an index, and which were followed by a return."""

import pytest

from tests.sql.drawn import Tables, read

HOSPITAL = {"home": "home", "dead": "exp", "moved": "other-hcf", "left": "aadvice"}
SYSTEM = "http://terminology.hl7.org/CodeSystem/discharge-disposition"
HEADER = (
    "encounter_id | patient_id | encounter_status | is_acute | organization_id | priority_code"
    " | discharge_disposition_code | discharge_disposition_system"
    " | admitted_at | admitted_on | discharged_at | discharged_on"
)


def given(tables: Tables, stays: str, deaths: str = "") -> None:
    """Stays drawn as: id, admitted, discharged, and after it what is not usual.

    Times are days of January and hours, `9 14`; a day alone has no time of day.
    """
    lines = [HEADER]
    for identity, admitted, discharged, more in read(stays):
        told = dict(word.split("=") for word in more.split() if "=" in word)
        cells = [
            identity,
            told.get("patient", "p1"),
            told.get("status", "finished"),
            told.get("acute", "true"),
            told.get("at", "h1"),
            told.get("priority", "EM"),
            HOSPITAL[told.get("to", "home")],
            SYSTEM,
            *moment(admitted),
            *moment(discharged),
        ]
        lines.append(" | ".join(cells))
    tables.given("silver.encounter", "\n".join(lines))
    tables.given(
        "silver.patient",
        "\n".join(["patient_id | deceased_at | deceased_on", *deaths.splitlines()]),
    )
    tables.build("gold.readmission")


def moment(told: str) -> tuple[str, str]:
    """The instant and the day of `9 14` (day 9 at 14:00), `9` (the day alone) or `-`."""
    if told == "-":
        return "-", "-"
    day, _, hour = told.partition(" ")
    date = f"2026-01-{int(day):02}" if int(day) <= 31 else f"2026-02-{int(day) - 31:02}"
    return f"{date} {int(hour):02}:00:00Z" if hour else "-", date


RETURNS = """
admitted | more        | is_readmitted | days_to_next
10 8     |             | true          | 0
11 9     |             | true          | 1
40 9     |             | true          | 30
41 0     |             | false         | 31
40 9     | priority=EL | false         | 30
40       |             | true          | 30
10 12    | acute=false | false         | -
12 9     | status=cancelled | false    | -
12 9     | status=planned | false      | -
12 9     | patient=p2  | false         | -
"""


@pytest.mark.parametrize(("admitted", "more", "is_readmitted", "days"), read(RETURNS)[1:])
def test_a_return_within_30_local_days_is_a_readmission(
    tables: Tables, admitted: str, more: str, is_readmitted: str, days: str
) -> None:
    given(tables, f"e1 | 5 10 | 10 7 |\ne2 | {admitted} | 45 0 | {more}")
    tables.db.execute("delete from gold.readmission where encounter_id <> 'e1'")
    tables.holds(
        "gold.readmission",
        f"exclusion | is_readmitted | days_to_next\n- | {is_readmitted} | {days}",
    )


def test_a_readmission_is_an_index_itself_and_only_the_next_episode_counts(tables: Tables) -> None:
    given(
        tables,
        """
        e1 | 1 10  | 3 10  |
        e2 | 10 10 | 12 10 |
        e3 | 20 10 | 22 10 |
        e4 | 58 10 | 59 10 |
        """,
    )
    tables.holds(
        "gold.readmission",
        """
        encounter_id | is_readmitted | next_encounter_id | days_to_next
        e1           | true          | e2                | 7
        e2           | true          | e3                | 8
        e3           | false         | e4                | 36
        e4           | false         | -                 | -
        """,
    )


def test_after_a_planned_return_a_later_one_does_not_count_for_the_same_index(
    tables: Tables,
) -> None:
    given(
        tables,
        """
        e1 | 1 10  | 3 10  |
        e2 | 10 10 | 12 10 | priority=EL
        e3 | 20 10 | 22 10 |
        """,
    )
    tables.holds(
        "gold.readmission",
        "encounter_id | is_readmitted\ne1 | false\ne2 | true\ne3 | false",
    )


EPISODES = """
first_to | second        | at | episodes
home     | 10 9          | h1 | 2
home     | 10 7          | h1 | 1
home     | 9 12          | h1 | 1
home     | 10 9          | h2 | 1
home     | 11 23         | h2 | 1
home     | 12 0          | h2 | 2
moved    | 11 9          | h1 | 1
moved    | 12 9          | h1 | 2
home     | 10            | h1 | 2
home     | 9             | h1 | 1
"""


@pytest.mark.parametrize(("to", "second", "at", "episodes"), read(EPISODES)[1:])
def test_stays_that_touch_overlap_or_are_a_transfer_are_one_episode(
    tables: Tables, to: str, second: str, at: str, episodes: str
) -> None:
    given(tables, f"e1 | 5 10 | 10 7 | to={to}\ne2 | {second} | 15 0 | at={at}")
    rows = tables.draw("gold.readmission", ["encounter_id", "n_encounter", "discharged_on"])
    last = ("e1", "2", "2026-01-15")
    apart = [("e1", "1", "2026-01-10"), ("e2", "1", "2026-01-15")]
    assert rows == ([last] if episodes == "1" else apart)


def test_an_unknown_hospital_is_no_other_hospital(tables: Tables) -> None:
    given(tables, "e1 | 5 10 | 10 7 | at=-\ne2 | 11 9 | 15 0 | at=h2")
    assert len(tables.draw("gold.readmission", ["encounter_id"])) == 2


def test_a_chain_of_transfers_ends_with_its_last_discharge(tables: Tables) -> None:
    given(
        tables,
        """
        e1 | 1 10 | 3 10  | to=moved
        e2 | 3 14 | 6 10  | to=moved at=h2
        e3 | 7 10 | 12 10 | at=h1
        e4 | 20 1 | 21 1  | at=h2
        """,
    )
    tables.holds(
        "gold.readmission",
        """
        encounter_id | discharge_encounter_id | n_encounter | stay_days | days_to_next
        e1           | e3                     | 3           | 11        | 8
        e4           | e4                     | 1           | 1         | -
        """,
    )


def test_a_stay_within_a_stay_does_not_end_the_episode_early(tables: Tables) -> None:
    given(tables, "e1 | 1 10 | 20 10 |\ne2 | 3 10 | 5 10 | at=h2 to=dead\ne3 | 20 10 | 22 1 |")
    tables.holds(
        "gold.readmission",
        "encounter_id | n_encounter | discharge_encounter_id | exclusion\ne1 | 3 | e3 | -",
    )


EXCLUDED = """
discharged | more        | deaths                                   | exclusion
10 7       |             |                                          | -
10 7       | to=dead     |                                          | died
10 7       | to=left     |                                          | against advice
10 7       | to=moved    |                                          | transferred out
-          | status=in-progress |                                   | no discharge day
-          |             |                                          | no discharge day
10 7       |             | p1 - 2026-01-10 07:00:00Z - 2026-01-10   | died
10 7       |             | p1 - 2026-01-10 07:00:01Z - 2026-01-10   | -
10 7       |             | p1 - none - 2026-01-10                   | died
10         |             | p1 - 2026-01-10 23:00:00Z - 2026-01-10   | died
10 7       |             | p1 - none - 2026-01-11                   | -
10 7       |             | p1 - none - none                         | -
10 7       |             | p2 - none - 2026-01-10                   | -
10 7       |             | p1 - 2026-01-05 09:59:59Z - 2026-01-05   | after death
10 7       |             | p1 - 2026-01-05 10:00:00Z - 2026-01-05   | died
10 7       |             | p1 - none - 2026-01-05                   | died
10 7       |             | p1 - none - 2026-01-04                   | after death
"""


@pytest.mark.parametrize(("discharged", "more", "deaths", "exclusion"), read(EXCLUDED)[1:])
def test_what_is_no_index_says_why_and_has_no_outcome(
    tables: Tables, discharged: str, more: str, deaths: str, exclusion: str
) -> None:
    drawn = deaths.replace(" - ", " | ").replace("none", "-")
    given(tables, f"e1 | 5 10 | {discharged} | {more}", drawn)
    outcome = "false" if exclusion == "-" else "-"
    assert tables.draw("gold.readmission", ["exclusion", "is_readmitted"]) == [(exclusion, outcome)]


def test_an_admission_after_the_death_is_nobodys_readmission(tables: Tables) -> None:
    stays = "e1 | 1 10 | 3 10 |\ne2 | 10 10 | 12 10 |\ne3 | 15 10 | 16 10 |"
    given(tables, stays, "p1 | 2026-01-05 00:00:00Z | 2026-01-05")
    tables.holds(
        "gold.readmission",
        """
        encounter_id | exclusion   | is_readmitted | next_encounter_id
        e1           | -           | false         | -
        e2           | after death | -             | e3
        e3           | after death | -             | -
        """,
    )
    assert list(tables.broken("gold.readmission").values()) == [2]


def test_a_stay_nobody_closed_swallows_no_later_one(tables: Tables) -> None:
    given(tables, "e1 | 1 10 | - | status=in-progress\ne2 | 10 10 | 12 10 |\ne3 | 20 10 | 22 10 |")
    tables.holds(
        "gold.readmission",
        """
        encounter_id | exclusion        | is_readmitted
        e1           | no discharge day | -
        e2           | -                | true
        e3           | -                | false
        """,
    )


def test_the_mean_is_the_rate_of_the_index_episodes(tables: Tables) -> None:
    given(
        tables,
        """
        e1 | 1 10  | 3 10  |
        e2 | 10 10 | 12 10 |
        e3 | 20 10 | 22 10 | to=dead
        f1 | 1 10  | 3 10  | patient=p2
        f2 | 5 10  | 6 10  | patient=p2 to=left
        """,
    )
    rate = "select count(is_readmitted), sum(is_readmitted::int), count(*) from gold.readmission"
    assert tables.db.execute(rate).fetchone() == (3, 3, 5)
    assert tables.broken("gold.readmission") == {}


def test_a_day_of_admission_alone_is_enough_and_without_it_there_is_no_episode(
    tables: Tables,
) -> None:
    given(tables, "e1 | 5 | 9 |\ne2 | 20 | 22 |\ne3 | - | 25 |")
    tables.holds(
        "gold.readmission",
        "encounter_id | stay_days | is_readmitted\ne1 | 4 | true\ne2 | 2 | false",
    )
