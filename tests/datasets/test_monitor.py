"""Bedside monitors of the synthetic hospital: every minute of the story, however it arrived."""

import csv
import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import mean
from typing import NamedTuple

import pytest

from lakehouse.datasets.synthetic import Population
from lakehouse.datasets.synthetic.clock import moment
from lakehouse.datasets.synthetic.physiology import signs_at
from tests.datasets.hospital import SEED, write

SIGNS = ("hr_per_min", "rr_per_min", "spo2_percent", "sbp_mmhg", "dbp_mmhg")


class Point(NamedTuple):
    measured: datetime
    received: datetime
    row: dict[str, str]


def truth(root: Path, stream: str) -> list[dict]:
    return [json.loads(line) for line in (root / "truth" / f"{stream}.ndjson").open()]


def points(path: Path) -> Iterator[Point]:
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            yield Point(
                *(datetime.fromisoformat(row[name]) for name in ("measured_at", "received_at")), row
            )


def sessions(root: Path) -> Iterator[tuple[dict, list[Point]]]:
    """The truth's sessions with their rows, which lie one after the other."""
    files = {
        str(path.relative_to(root)): points(path) for path in (root / "monitor").glob("*/*.csv")
    }
    for row in truth(root, "session"):
        yield row, [next(files[row["file"]]) for _ in range(row["n_rows"])]
    assert [list(rest) for rest in files.values()] == [[]] * len(files)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("monitor") / "out", "monitor", defects=5000)


@pytest.fixture(scope="module")
def told(root: Path) -> list[tuple[dict, list[Point]]]:
    return list(sessions(root))


def test_every_row_is_of_a_visit_that_the_truth_knows(root: Path, told: list) -> None:
    encounters = {(row["site"], row["encounter"]): row for row in truth(root, "encounter")}
    mrns = {(row["site"], row["patient"]): row["mrn"] for row in truth(root, "registration")}
    for session, rows in told:
        visit = encounters[session["site"], session["encounter"]]
        names = {(row["visit"], row["mrn"], row["remark"]) for *_, row in rows}
        mark = "HTEST: synthetic, no real person"
        assert names == {(visit["visit_number"], mrns[session["site"], visit["patient"]], mark)}
        assert {row["device"] for *_, row in rows} == {
            f"MON-{row['bed'].upper()}" for *_, row in rows
        }
        assert {row["bed"].split("-")[0] for *_, row in rows} <= {
            ward["ward"] for ward in visit["wards"]
        }


def test_what_a_monitor_says_is_what_the_body_does(told: list) -> None:
    people = {person.id: person for person in Population(42, SEED, defects=5000).people()}
    for session, rows in told:
        encounter = next(
            one
            for one in people[session["person"]].encounters
            if one.id == session["encounter"] and one.site == session["site"]
        )
        for point in rows[::10]:
            real = point.measured - timedelta(minutes=session["skew"])
            signs = signs_at(encounter, int((real - moment(0)) / timedelta(minutes=1)))
            body = (
                signs.heart_rate,
                signs.respiratory_rate,
                signs.oxygen_saturation,
                signs.systolic,
                signs.diastolic,
            )
            assert tuple(int(point.row[name]) for name in SIGNS) == body
            celsius = (
                (float(point.row["temp_f"]) - 32) / 1.8
                if "temp_f" in point.row
                else float(point.row["temp_c"])
            )
            assert abs(celsius * 10 - signs.temperature) < 1


def test_each_hospital_writes_its_own_unit_and_zone(root: Path) -> None:
    for site, unit, offset in (("north", "temp_f", "-0"), ("south", "temp_c", "Z")):
        first, second = (root / "monitor" / site / "vitals.000.csv").read_text().splitlines()[:2]
        assert unit in first
        assert offset in second.split(",")[4][-6:]


def test_rows_come_in_the_order_of_arrival_and_the_truth_says_which_are_odd(
    root: Path, told: list
) -> None:
    odd = defaultdict(list)
    for row in truth(root, "sample_defect"):
        odd[row["file"], row["source"]].append(row)
    seen = set()
    for session, rows in told:
        skew = timedelta(minutes=session["skew"])
        known = defaultdict(set)
        for row in odd[session["file"], session["source"]]:
            known[row["kind"]].add(
                row["measured_at"] and datetime.fromisoformat(row["measured_at"])
            )
            seen.add(row["kind"])
        assert [one.received for one in rows] == sorted(one.received for one in rows)
        waited = defaultdict(set)
        for one in rows:
            minutes = (one.received - one.measured + skew) // timedelta(minutes=1)
            waited["late" if minutes >= 20 else "out_of_order" if minutes else ""].add(one.measured)
        assert (waited["late"], waited["out_of_order"]) == (known["late"], known["out_of_order"])
        again = {one.measured for one, other in pairwise(rows) if one.measured == other.measured}
        assert again == known["duplicate"]
        assert bool(skew) == (known["clock_skew"] == {None})
        whens = {one.measured - skew for one in rows}
        begin, end = (datetime.fromisoformat(session[name]) for name in ("start", "end"))
        assert whens == {
            begin + timedelta(minutes=minute)
            for minute in range((end - begin) // timedelta(minutes=1))
        }
    assert seen == {"late", "duplicate", "out_of_order", "clock_skew"}


def test_a_body_fails_in_the_hours_before_intensive_care(told: list) -> None:
    fallen = 0
    for _, rows in told:
        beds = [row["bed"].split("-")[0] for *_, row in rows]
        if "icu" in beds and beds[0] != "icu":
            ward = [row for *_, row in rows if not row["bed"].startswith("icu")]
            first, last = ward[:30], ward[-30:]
            for name, sign in (
                ("hr_per_min", 1),
                ("rr_per_min", 1),
                ("spo2_percent", -1),
                ("sbp_mmhg", -1),
            ):
                assert (
                    sign
                    * (mean(int(row[name]) for row in last) - mean(int(row[name]) for row in first))
                    > 0
                )
            fallen += 1
    assert fallen


def test_without_defects_every_point_comes_at_once(tmp_path: Path) -> None:
    root = write(tmp_path / "out", "monitor", patients=12, defects=0)
    assert not (root / "truth" / "sample_defect.ndjson").exists()
    rows = [one for _, rows in sessions(root) for one in rows]
    assert len(rows) > 100
    assert all(one.measured == one.received for one in rows)
