"""The synthetic hospital's records are FHIR R4 by the word of a validator that is not ours."""

import gzip
import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.datasets.hospital import write
from tests.peers.java import command

pytestmark = [pytest.mark.peer, pytest.mark.long]

BROKEN = '{"resourceType": "Observation", "id": "o1", "status": "somehow", "code": {"text": "x"}}'
OF_EACH, OF_ALL = 100, 3000


def validate(lines: list[str]) -> list[str]:
    """What the validator calls an error, as line, place and message."""
    program = command("validator", "Validate", memory="900m")
    told = subprocess.run(
        program, input="\n".join(lines), capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert told.pop() == f"READ\t{len(lines)}"
    return told


def lines(folder: Path) -> Iterator[str]:
    for path in sorted(folder.glob("fhir/*/*/**/*.ndjson*")):
        content = path.read_bytes()
        yield from (
            (gzip.decompress(content) if path.suffix == ".gz" else content).decode().splitlines()
        )


def shape(value: Any) -> Any:
    """The names of all members, and of the codes that decide what else is there."""
    if isinstance(value, dict):
        return tuple((name, shape(one)) for name, one in sorted(value.items()))
    if isinstance(value, list):
        return tuple(sorted({repr(shape(one)) for one in value}))
    return type(value).__name__


def chosen(folder: Path) -> list[str]:
    """Each shape once, so many of each type, and then of all."""
    shapes: set[Any] = set()
    first, others, kinds = [], [], Counter[str]()
    for line in lines(folder):
        resource = json.loads(line)
        kind, key = resource["resourceType"], shape(resource)
        is_wanted = key not in shapes or kinds[kind] < OF_EACH
        shapes.add(key)
        kinds[kind] += is_wanted
        (first if is_wanted else others).append(line)
    missing = max(1, OF_ALL - len(first))
    return first + others[:: len(others) // missing]


def test_every_shape_of_every_type_is_valid(tmp_path: Path) -> None:
    # without defects: half a line and a result without a code are meant to be wrong
    told = chosen(write(tmp_path / "out", "fhir", patients=130, defects=0))
    assert len(told) >= OF_ALL
    # one more is broken, and it alone has errors
    errors = validate([*told, BROKEN])
    assert {error.split("\t")[0] for error in errors} == {str(len(told) + 1)}
