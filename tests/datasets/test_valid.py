"""The sample hospital's records are FHIR R4 by the word of a validator that is not ours."""

import subprocess
from pathlib import Path

import pytest

from lakehouse.datasets.sample import write_sample
from tests.peers.java import command

pytestmark = pytest.mark.peer

BROKEN = '{"resourceType": "Observation", "id": "o1", "status": "somehow", "code": {"text": "x"}}'
MOST = 40
"""Records of one file that are validated."""


def validate(lines: list[str]) -> list[str]:
    """What the validator calls an error, as line, place and message."""
    program = command("validator", "Validate", memory="900m")
    told = subprocess.run(
        program, input="\n".join(lines), capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert told.pop() == f"READ\t{len(lines)}"
    return told


def test_each_kind_of_record_of_the_sample_is_valid(tmp_path: Path) -> None:
    write_sample(tmp_path, site="north", export=1, zone="America/New_York", patients=20, seed=7)
    kinds = [path for path in sorted(tmp_path.rglob("*.ndjson")) if path.stem != "deleted"]
    lines = [line for path in kinds for line in path.read_text().splitlines()[:MOST]]
    assert len(kinds) > 5
    # one more is broken, and it alone has errors
    errors = validate([*lines, BROKEN])
    assert {error.split("\t")[0] for error in errors} == {str(len(lines) + 1)}
