"""`python -m tests.bench.heavy`: an export among whose lines some are of 100 MB, in one GiB.

Some copies of an export, re-keyed on the fly, arrive with ten lines that no usual resource is as
long as. What is watched is the peak of the one process that takes them to gold.
"""

import argparse
import base64
import random
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.bench.giant import report
from tests.bench.growth import rekeyed, remove
from tests.bench.measure import (
    FEED,
    SYNTHEA,
    aloud,
    cost_of,
    say,
    scratch,
    settings_in,
    show_machine,
)

LINE = 100 * 10**6
_PIECE = 3 * 2**20
_RANDOM = random.Random(1)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=SYNTHEA, help="folder of NDJSON files")
    parser.add_argument("--copies", type=int, default=3)
    parser.add_argument("--memory", default="1GiB", help="of the one process")
    parser.add_argument("--apart", action="store_true", help="a process a step")
    told = parser.parse_args(arguments)
    say("## Lines of 100 MB")
    if not told.data.is_dir():
        say(f"skipped: {told.data.name} is not here (--data names another export)\n")
        return
    show_machine()
    with scratch() as folder:
        measure(folder, told.data, told.copies, told.memory, apart=told.apart)


def measure(folder: Path, export: Path, copies: int, memory: str, *, apart: bool) -> None:
    """Print the time and the peak of landing and of the run, and what became of the lines."""
    settings = settings_in(folder, memory) | {"LAKEHOUSE_SLOTS": "1"}
    size = 0
    for number in range(copies):
        copied = rekeyed(folder / "copy", export, number)
        cost_of(["-m", "lakehouse", "land", FEED, copied], settings)
        remove(copied)
    path = folder / "heavy.ndjson"
    size = write_lines(path)
    costs = {"land": cost_of(["-m", "lakehouse", "land", FEED, path], settings)}
    path.unlink()
    run = ["-m", "lakehouse", "run"]
    if apart:
        costs["load"] = cost_of([*run, "--feed", FEED, "--table", "silver.location"], settings)
    costs["run"] = cost_of(run, settings)
    report(costs, size)
    aloud("tests.bench.heavy_rows", folder / "lake")


def write_lines(path: Path) -> int:
    """Write ten resources of 100 MB, each of another kind of length; bytes."""
    size = 0
    with path.open("wb") as stream:
        for number, parts in enumerate(_KINDS):
            for part in parts(f"heavy-{number}"):
                size += stream.write(part)
            size += stream.write(b"\n")
    return size


def _noise(size: int) -> Iterator[bytes]:
    """Base64 that does not pack."""
    while size > 0:
        some = base64.b64encode(_RANDOM.randbytes(min(size, _PIECE) * 3 // 4 // 3 * 3))
        yield some
        size -= len(some) or size


def _head(kind: str, key: str) -> bytes:
    return (
        f'{{"resourceType":"{kind}","id":"{key}","status":"current","subject":'
        f'{{"reference":"Patient/heavy"}}'
    ).encode()


def _attachment(key: str) -> Iterator[bytes]:
    """One string is nearly all of it."""
    yield _head("DocumentReference", key) + b',"content":[{"attachment":{"data":"'
    yield from _noise(LINE)
    yield b'"}}]}'


def _pages(key: str) -> Iterator[bytes]:
    """Fifty strings of 2 MB."""
    yield _head("DocumentReference", key) + b',"content":['
    for page in range(50):
        yield b"," * (page > 0) + b'{"attachment":{"data":"'
        yield from _noise(LINE // 50)
        yield b'"}}'
    yield b"]}"


def _sampled(key: str) -> Iterator[bytes]:
    """One string of numbers, with an escape and text that is not ASCII before it."""
    yield (
        _head("Observation", key)
        + (
            ',"note":[{"text":"für \\"ECG\\" \\u00e9 😀"}],"code":{"text":"ECG"},'
            '"effectiveDateTime":"2020-01-01","valueSampledData":{"origin":{"value":0},"period":2,'
            '"dimensions":1,"data":"'
        ).encode()
    )
    row = b"-12 7 35 100 -8 "
    yield from (row * 65536 for _ in range(LINE // len(row) // 65536))
    yield b'0"}}'


def _together(key: str) -> Iterator[bytes]:
    """A Bundle of a hundred thousand resources that point to each other."""
    yield b'{"resourceType":"Bundle","type":"transaction","entry":['
    for number in range(LINE // 970):
        yield (
            b"," * (number > 0)
            + (
                f'{{"fullUrl":"urn:uuid:{key}-{number:07d}","resource":{{"resourceType":"Observation",'
                f'"id":"{key}-{number:07d}","status":"final","code":{{"coding":[{{"system":"http://loinc.org"'
                f',"code":"8867-4"}}]}},"subject":{{"reference":"Patient/heavy"}},"effectiveDateTime":'
                f'"2020-01-01","hasMember":[{{"reference":"urn:uuid:{key}-{number // 2:07d}"}}],'
                f'"valueQuantity":{{"value":{number},"system":"http://unitsofmeasure.org","code":"/min"}},'
                f'"note":[{{"text":"{number:0500d}"}}]}},"request":{{"method":"PUT","url":"Observation"}}}}'
            ).encode()
        )
    yield b"]}"


def _items(key: str) -> Iterator[bytes]:
    """A million small strings: nothing of it can be left out."""
    yield _head("QuestionnaireResponse", key) + b',"item":['
    for number in range(LINE // 76):
        yield (
            b"," * (number > 0)
            + (
                f'{{"linkId":"{number:07d}","answer":[{{"valueString":"answer {number:07d} '
                f'to it all"}}]}}'
            ).encode()
        )
    yield b"]}"


def _numbers(key: str) -> Iterator[bytes]:
    """Nothing but small numbers, in lists of lists."""
    yield _head("Basic", key) + b',"extension":[{"url":"x","values":['
    row = b"[1.50,2,3],"
    yield from (row * 65536 for _ in range(LINE // len(row) // 65536))
    yield b"[]]}]}"


_KINDS: tuple[Callable[[str], Iterator[bytes]], ...] = (
    _attachment, _attachment, _pages, _pages, _sampled,
    _sampled, _together, _together, _items, _numbers,
)  # fmt: skip


if __name__ == "__main__":
    main()
