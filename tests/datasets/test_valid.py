"""The synthetic hospital's records are FHIR R4 by the word of a validator that is not ours."""

import gzip
import json
import re
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
OF_EACH = 30
CODE = re.compile(r"[a-z][a-z-]*|[A-Z]+|https?://\S+")
"""What the standard's own lists hold, and the names of lists; the validator knows no others, such as LOINC's."""


WORD = re.compile(r"[^\W_]+")
"""What stands between the marks of a value: a number, or letters, or both."""


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


def facts(value: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The place and type of each leaf, with the code where it is one, else its form; last how all of it is put together."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield from facts(one, (*place, name))
    elif isinstance(value, list):
        for one in value:
            yield from facts(one, place)
    else:
        is_code = isinstance(value, str) and CODE.fullmatch(value)
        yield place, type(value).__name__, value if is_code else form(value)
    if not place:
        yield shape(value), "", None


def form(value: Any) -> str:
    """How a date, a number or an id is written, and that a text is one, whatever they say: a day is `9-9-9`."""
    told = str(value)
    if isinstance(value, bool) or " " in told or len(told) > 60:
        return ""
    return WORD.sub(lambda word: "9" if word[0].isdigit() else "a", told)


def shape(value: Any) -> Any:
    """The names of all members, and of the codes that decide what else is there."""
    if isinstance(value, dict):
        return tuple((name, shape(one)) for name, one in sorted(value.items()))
    if isinstance(value, list):
        return tuple(sorted({repr(shape(one)) for one in value}))
    return type(value).__name__


def chosen(folder: Path) -> list[str]:
    """Each shape, each code and each form at each place of the whole population, and so many of each type, or all where
    there are fewer.

    One more record of a shape with the same codes and forms differs in nothing that the rules speak of.
    """
    known: set[Any] = set()
    taken, kinds = [], Counter[str]()
    for line in lines(folder):
        resource = json.loads(line)
        kind = resource["resourceType"]
        told = {(kind, *fact) for fact in facts(resource)}
        if not told <= known or kinds[kind] < OF_EACH:
            taken.append(line)
            kinds[kind] += 1
        known |= told
    return taken


def test_every_shape_code_and_form_of_every_type_is_valid(tmp_path: Path) -> None:
    # without defects: half a line and a result without a code are meant to be wrong
    told = chosen(write(tmp_path / "out", "fhir", patients=130, defects=0))
    assert len(told) >= 1000
    # one more is broken, and it alone has errors
    errors = validate([*told, BROKEN])
    assert {error.split("\t")[0] for error in errors} == {str(len(told) + 1)}
