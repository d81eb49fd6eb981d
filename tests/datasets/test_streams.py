"""The feeds and tables of the synthetic hospital keep nobody: memory stays where it is."""

import subprocess
import sys
from pathlib import Path

import pytest

MEASURE = """
import resource, sys
from pathlib import Path
from lakehouse.datasets.synthetic import Population, write_hospital
names = ["hl7", "monitor", "ecg", "wearable", "tables"]
write_hospital(Population(int(sys.argv[1]), 7), Path(sys.argv[2]), names)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def peak(patients: int, folder: Path) -> int:
    """MiB of a process that writes so many people."""
    command = [sys.executable, "-c", MEASURE, str(patients), str(folder)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.long
def test_six_times_as_many_people_need_no_more_memory(tmp_path: Path) -> None:
    assert peak(1500, tmp_path / "many") - peak(250, tmp_path / "few") < 8
