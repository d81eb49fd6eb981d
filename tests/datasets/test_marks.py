"""Every file of every format says that it is synthetic, whatever is broken in it."""

from collections import Counter
from pathlib import Path

import pytest

from lakehouse.datasets.synthetic import Population, write_hospital
from lakehouse.datasets.synthetic.formats import formats
from tests.datasets.hospital import SEED, contents

MARK = "HTEST"
MARKS = tuple(MARK.encode(encoding) for encoding in ("utf-8", "utf-16-le", "utf-16-be"))


@pytest.mark.long
@pytest.mark.parametrize("defects", [0, 10_000])
def test_a_mark_is_in_every_file(tmp_path: Path, defects: int) -> None:
    write_hospital(Population(21, SEED, defects=defects), tmp_path / "out")
    told: Counter[str] = Counter()
    for path in sorted((tmp_path / "out").rglob("*")):
        if path.is_file():
            data = contents(path)
            # a part of an export may hold nothing, and so nobody
            assert not data or any(mark in data for mark in MARKS), path
            told[path.relative_to(tmp_path / "out").parts[0]] += 1
    assert told.keys() == {"truth", *formats()}
