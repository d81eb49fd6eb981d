"""The bytes of every format are those that were committed: the same seed gives the same on every machine.

A format's golden hash is `golden/<format>`; the truth has one too. `python -m tests.datasets.test_golden`
writes them anew, after a change that is meant.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from lakehouse.datasets.synthetic.formats import formats
from lakehouse.settings import PROJECT
from tests.datasets.hospital import PATIENTS, SEED, digest, write

GOLDEN = Path(__file__).parent / "golden"
NAMES = ["truth", *formats()]


def golden(name: str) -> str:
    path = GOLDEN / name
    return path.read_text().strip() if path.is_file() else "there is none"


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("hospital") / "out")


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_the_bytes_are_the_same_on_every_machine(hospital: Path, name: str) -> None:
    assert digest(hospital / name) == golden(name)


def test_no_hash_is_of_a_format_that_is_gone() -> None:
    assert {path.name for path in GOLDEN.iterdir()} == set(NAMES)


@pytest.mark.long
def test_another_process_in_another_zone_writes_the_same(hospital: Path, tmp_path: Path) -> None:
    told = f"--patients {PATIENTS} --seed {SEED} --defects 0.2 --out {tmp_path / 'out'}"
    command = [sys.executable, "-m", "lakehouse", "synth", *told.split()]
    environment = {
        **os.environ,
        "PYTHONHASHSEED": "1",
        "TZ": "Asia/Tokyo",
        "PYTHONPATH": str(PROJECT),
    }
    subprocess.run(command, check=True, env=environment, capture_output=True)
    assert digest(tmp_path / "out") == digest(hospital)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        made = write(Path(place) / "out")
        for told in NAMES:
            (GOLDEN / told).write_text(digest(made / told) + "\n")
