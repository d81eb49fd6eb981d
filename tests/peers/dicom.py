"""`dciodvfy` of dicom3tools: what is wrong in a DICOM file by the word of a validator that is not ours."""

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

_PEER = Path(__file__).parent / "dicom3tools"


def errors(files: list[Path]) -> list[str]:
    """What it calls an error in any of the files; skips the test where it is not installed as it should be."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    place = cache / "clinical-lakehouse" / "dicom3tools"
    wanted, there = _PEER / "requirements.txt", place / "requirements.txt"
    if not there.is_file() or there.read_text() != wanted.read_text():
        pytest.skip("the peer dicom3tools is not installed (`make peers` does it once)")
    program = place / "dicom3tools" / "bin" / "dciodvfy"

    def verify(file: Path) -> list[str]:
        # its exit code says no more than whether there was a file
        command = [program, "-new", file]
        told = subprocess.run(command, check=False, capture_output=True, text=True)
        lines = (told.stdout + told.stderr).splitlines()
        found = [line for line in lines if line.startswith("Error")]
        return [f"{file.name}: {line}" for line in found or _unread(lines)]

    with ThreadPoolExecutor(2) as pool:
        return [line for lines in pool.map(verify, files) for line in lines]


def _unread(lines: list[str]) -> list[str]:
    """It names the kind of object of a file that it has read."""
    return [] if any(line.isalnum() for line in lines) else ["it was not read"]
