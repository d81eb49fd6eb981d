"""Rows of data files that lie together: readers of Parquet leave out pages by a row's number."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from operator import itemgetter

BLOCK_ROWS = 2_048
"""What DuckDB reads at a time."""
_NEAR, _MOST_RUNS = 4, 32
"""Blocks, and runs of a file: each row of it that may be wanted is held against each run."""
_MOST_PARTS = 32
"""To open a file once more takes as long as some thousands of rows."""

_Run = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Part:
    """Runs of blocks, each the number of its first and of its last, alike in some files."""

    files: tuple[str, ...]
    runs: tuple[_Run, ...]

    @property
    def where(self) -> str:
        """The condition on the number of a row."""
        return " or ".join(
            f"file_row_number between {first * BLOCK_ROWS} and {(last + 1) * BLOCK_ROWS - 1}"
            for first, last in self.runs
        )


def find_parts(blocks: Iterable[tuple[str, int]], rows: int) -> list[Part] | None:
    """The parts that hold these blocks, each the name of a file and a number, in order; None where
    they are too many, or hold half of the `rows` that there are."""
    files = groupby(blocks, itemgetter(0))
    runs = {name: _joined([number for _, number in told]) for name, told in files}
    held = sum(last - first + 1 for of in runs.values() for first, last in of) * BLOCK_ROWS
    parts = _together(runs.items())
    return parts if len(parts) <= _MOST_PARTS and 2 * held < rows else None


def _joined(blocks: Sequence[int]) -> tuple[_Run, ...]:
    """Blocks of a file, in order, as runs: cut where they lie far apart, at the widest gaps where
    that is at many places."""
    gaps = [(after - before, place) for place, (before, after) in enumerate(pairwise(blocks))]
    widest = sorted(gaps, reverse=True)[: _MOST_RUNS - 1]
    cuts = sorted(place for gap, place in widest if gap > _NEAR)
    begins, ends = [0, *(place + 1 for place in cuts)], [*cuts, len(blocks) - 1]
    return tuple((blocks[b], blocks[e]) for b, e in zip(begins, ends, strict=True))


def _together(runs: Iterable[tuple[str, tuple[_Run, ...]]]) -> list[Part]:
    """Files whose runs are alike made one part: small files are."""
    files: dict[tuple[_Run, ...], tuple[str, ...]] = {}
    for name, of in runs:
        files[of] = (*files.get(of, ()), name)
    return [Part(names, of) for of, names in files.items()]
