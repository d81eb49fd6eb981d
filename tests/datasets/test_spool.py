"""What waits to be written comes out by time, once and whole, however many runs it lay in."""

from operator import attrgetter
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse.datasets.synthetic.formats.hl7 import spool
from lakehouse.datasets.synthetic.formats.hl7.spool import Spool

MESSAGES = st.tuples(st.integers(-(2**40), 2**40) | st.integers(0, 3), st.integers(0, 3))


@settings(max_examples=60, deadline=None)
@given(st.lists(MESSAGES, max_size=80), st.sampled_from([1, 30, 10**6]))
def test_what_is_added_is_drained_by_time(told: list[tuple[int, int]], held: int) -> None:
    with TemporaryDirectory() as place, pytest.MonkeyPatch.context() as patch:
        patch.setattr(spool, "_HELD", held)
        patch.setattr(spool, "_RUNS", 3)
        kept = Spool(Path(place) / "new")
        for number, (at, stream) in enumerate(told):
            kept.add(at, stream, b"%d" % number * (number % 5), b"row %d" % number)
        drained = list(kept.drain())
        assert [path for path in Path(place).rglob("*") if path.is_file()] == []
    assert [one.place for one in sorted(drained, key=attrgetter("place"))] == list(range(len(told)))
    assert [(one.at, one.place) for one in drained] == sorted(
        (at, number) for number, (at, _) in enumerate(told)
    )
    for one in drained:
        assert (one.at, one.stream) == told[one.place]
        assert one.data == b"%d" % one.place * (one.place % 5)
        assert one.row == b"row %d" % one.place
