"""Electrocardiograms of the synthetic hospital, read by what the WFDB format says of itself."""

import json
import struct
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from statistics import mean

import pytest

from tests.datasets.hospital import write


def truth(root: Path, stream: str) -> list[dict]:
    return [json.loads(line) for line in (root / "truth" / f"{stream}.ndjson").open()]


def record(path: Path) -> tuple[list[str], dict[str, tuple[int, ...]]]:
    """The fields of the record line, and the samples by lead, with first value and checksum as
    they should be."""
    lines = path.read_text().splitlines()
    head, count = lines[0].split(), int(lines[0].split()[1])
    mark = b"HTEST: synthetic, no real person"
    file = path.with_suffix(".dat").read_bytes()
    assert file.startswith(mark)
    data = file[len(mark) :]
    samples = struct.unpack(f"<{len(data) // 2}h", data)
    leads = {}
    for place, line in enumerate(lines[1 : count + 1]):
        file, form, gain, bits, zero, first, check, _, name = line.split()
        assert (file, form, bits, zero) == (
            path.with_suffix(".dat").name,
            f"16+{len(mark)}",
            "16",
            "0",
        )
        assert 150 <= int(gain.removesuffix("/mV")) < 250
        leads[name] = samples[place::count]
        assert leads[name][0] == int(first)
        assert (sum(leads[name]) - int(check)) % 65536 == 0
    assert "# HTEST: synthetic, no real person" in lines
    return head, leads


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("ecg") / "out", "ecg")


def test_the_truth_lists_every_record(root: Path) -> None:
    rows = truth(root, "ecg")
    assert {row["file"] for row in rows} == {
        str(path.relative_to(root)) for path in root.glob("ecg/*/*.hea")
    }
    known = {
        (row["site"], row["id"]) for row in truth(root, "record") if row["kind"] == "procedure"
    }
    assert {(row["site"], row["record"]) for row in rows} <= known
    assert {row["has_st_depression"] for row in rows} == {True, False}


def test_a_record_is_ten_seconds_of_twelve_leads_of_that_heart(root: Path) -> None:
    for row in truth(root, "ecg"):
        (name, count, rate, length, clock, day), leads = record(root / row["file"])
        assert (name, count, rate, length) == (row["record"], "12", "250", "2500")
        begun = datetime.strptime(f"{clock} {day} +0000", "%H:%M:%S %d/%m/%Y %z")
        assert begun.astimezone(UTC) == datetime.fromisoformat(row["at"])
        assert all(len(samples) == 2500 for samples in leads.values())
        beats = [
            place
            for place in range(1, 2499)
            if leads["II"][place] > 150
            and leads["II"][place - 1] < leads["II"][place] >= leads["II"][place + 1]
        ]
        gaps = [after - before for before, after in pairwise(beats)]
        assert abs(250 * 60 / mean(gaps) - row["heart_rate"]) < 4


def test_leads_agree_with_one_another(root: Path) -> None:
    for row in truth(root, "ecg"):
        _, leads = record(root / row["file"])
        for one, two, three, foot in zip(
            *(leads[name] for name in ("I", "II", "III", "aVF")), strict=True
        ):
            assert two == one + three
            assert foot == two - one // 2


def test_an_infarction_shows_between_the_waves(root: Path) -> None:
    low = {}
    for row in truth(root, "ecg"):
        _, leads = record(root / row["file"])
        peaks = [
            place
            for place in range(50, 2400)
            if leads["V5"][place] == max(leads["V5"][place - 40 : place + 40]) > 150
        ]
        low.setdefault(row["has_st_depression"], []).append(
            mean(leads["V5"][place + 20] for place in peaks)
        )
    assert max(low[True]) < min(low[False]) - 10
