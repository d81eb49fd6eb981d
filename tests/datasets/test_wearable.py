"""Wearables of the synthetic hospital: Apple Health XML and Open mHealth JSON, read by lxml and the standard library."""

import json
from collections import Counter, defaultdict
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from lxml import etree

from tests.datasets.hospital import write

APPLE = {
    "HKQuantityTypeIdentifierHeartRate": "heart-rate",
    "HKQuantityTypeIdentifierStepCount": "step-count",
    "HKCategoryTypeIdentifierSleepAnalysis": "sleep-duration",
}


class Point(NamedTuple):
    kind: str
    start: datetime
    end: datetime
    created: datetime
    value: str
    id: str


def truth(root: Path, stream: str) -> list[dict]:
    return [json.loads(line) for line in (root / "truth" / f"{stream}.ndjson").open()]


def apple(path: Path) -> list[Point]:
    assert "<!-- HTEST: synthetic, no real person -->" in path.read_text()
    points = []
    for record in etree.parse(path).getroot().iter("Record"):
        assert record.get("sourceName") == path.stem
        times = [
            datetime.strptime(record.get(name), "%Y-%m-%d %H:%M:%S %z")
            for name in ("startDate", "endDate", "creationDate")
        ]
        points.append(Point(APPLE[record.get("type")], *times, record.get("value"), ""))
    return points


def mhealth(path: Path) -> list[Point]:
    points = []
    for point in json.loads(path.read_text()):
        header, body = point["header"], point["body"]
        assert header["user_id"] == path.stem
        assert header["acquisition_provenance"]["source_name"] == "HTEST: synthetic, no real person"
        kind, frame = header["schema_id"]["name"], body["effective_time_frame"]
        begin = frame.get("date_time") or frame["time_interval"]["start_date_time"]
        end = frame.get("date_time") or frame["time_interval"]["end_date_time"]
        times = [
            datetime.fromisoformat(text) for text in (begin, end, header["creation_date_time"])
        ]
        points.append(Point(kind, *times, str(body[kind.replace("-", "_")]["value"]), header["id"]))
    return points


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("wearable") / "out", "wearable", patients=84, defects=5000)


@pytest.fixture(scope="module")
def told(root: Path) -> list[tuple[dict, list[Point]]]:
    return [
        (row, (apple if row["file"].endswith("xml") else mhealth)(root / row["file"]))
        for row in truth(root, "wearable")
    ]


@pytest.mark.long
def test_the_truth_lists_every_export_and_point(root: Path, told: list) -> None:
    assert {row["file"] for row, _ in told} == {
        str(path.relative_to(root)) for path in root.glob("wearable/*/*")
    }
    patients = {(row["person"], row["site"], row["patient"]) for row in truth(root, "registration")}
    assert {(row["person"], row["site"], row["patient"]) for row, _ in told} <= patients
    for row, points in told:
        doubled = {one.id for one in points if one.id}
        assert doubled <= {f"{row['source']}-{number}" for number in range(1, row["n_points"] + 1)}
        if row["file"].endswith("json"):
            assert len(doubled) == row["n_points"]
    assert {row["file"][-3:] for row, _ in told} == {"xml", "son"}


def test_nobody_is_named_and_a_birth_date_is_the_sites(root: Path, told: list) -> None:
    known = {(row["site"], row["patient"]): row for row in truth(root, "registration")}
    for row, _ in told:
        registration, text = known[row["site"], row["patient"]], (root / row["file"]).read_text()
        assert registration["family"] not in text
        assert registration["mrn"] not in text
        if row["file"].endswith("xml"):
            me = etree.fromstring(text.split("-->", 1)[1]).find("Me")
            assert date.fromisoformat(
                me.get("HKCharacteristicTypeIdentifierDateOfBirth")
            ) == date.fromisoformat(registration["born"])


def test_a_week_goes_by_after_the_last_visit(root: Path, told: list) -> None:
    last: dict[str, str] = defaultdict(str)
    for row in truth(root, "encounter"):
        last[row["person"]] = max(last[row["person"]], row["end"])
    for row, points in told:
        skew = timedelta(minutes=row["skew"])
        starts = [one.start - skew for one in points]
        assert datetime.fromisoformat(last[row["person"]]) < min(starts)
        assert max(starts) - min(starts) < timedelta(days=8)
        kinds = Counter(one.kind for one in set(points))
        assert kinds == {"heart-rate": 105, "step-count": 105, "sleep-duration": 7}
        for one in points:
            minutes = (one.end - one.start) / timedelta(minutes=1)
            assert {"heart-rate": 0, "step-count": 60}.get(one.kind, minutes) == minutes
            assert one.kind != "heart-rate" or 40 <= int(one.value) <= 130


def test_the_truth_says_which_points_are_odd(root: Path, told: list) -> None:
    odd = defaultdict(list)
    for row in truth(root, "sample_defect"):
        odd[row["file"], row["source"]].append(row)
    seen = set()
    for row, points in told:
        rows = odd[row["file"], row["source"]]
        known = Counter(
            (one["kind"], datetime.fromisoformat(one["measured_at"]))
            for one in rows
            if one["kind"] != "clock_skew"
        )
        seen |= {one["kind"] for one in rows}
        assert bool(row["skew"]) == any(one["kind"] == "clock_skew" for one in rows)
        assert [one.created for one in points] == sorted(one.created for one in points)
        again = Counter(points)
        found = Counter(("duplicate", one.start) for one in again for _ in range(again[one] - 1))
        for one in again:
            delay = (one.created - one.end) // timedelta(minutes=1) + row["skew"]
            # a pulse is of the hour's last minute, and is sent when the hour is over
            delay -= 5 + (one.kind == "heart-rate")
            assert delay in (0, 120) or 1200 <= delay <= 7200
            if delay:
                found["out_of_order" if delay == 120 else "late", one.start] += 1
        assert found == known
    assert seen == {"late", "duplicate", "out_of_order", "clock_skew"}
