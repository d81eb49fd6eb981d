"""Rows of data files that lie together: readers of Parquet leave out pages by a row's number."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

BLOCK_ROWS = 2_048
"""What DuckDB reads at a time."""
_NEAR, _MOST = 4, 32
"""Blocks, and runs: to open a file once more takes as long as some thousands of rows."""


@dataclass(frozen=True, slots=True)
class Run:
    """Blocks of rows that follow one another, alike in some files."""

    files: tuple[str, ...]
    first: int
    last: int

    @property
    def where(self) -> str:
        """The condition on the number of a row."""
        first, last = self.first * BLOCK_ROWS, (self.last + 1) * BLOCK_ROWS - 1
        return f"file_row_number between {first} and {last}"


def find_runs(blocks: Iterable[tuple[str, int]], rows: int) -> list[Run] | None:
    """The runs that hold these blocks, each the name of a file and a number, in order; None where
    they are too many, or hold half of the `rows` that there are."""
    runs = _joined([Run((name,), number, number) for name, number in blocks])
    held = sum(run.last - run.first + 1 for run in runs) * BLOCK_ROWS
    together = _together(runs)
    return together if len(together) <= _MOST and 2 * held < rows else None


def _joined(blocks: Sequence[Run]) -> list[Run]:
    """Blocks in order as runs: those of a file that lie near, and more where they are many."""
    gaps = sorted(_gap(*pair) for pair in pairwise(blocks) if _gap(*pair))
    many = min(len(blocks) - _MOST, len(gaps))
    near = max(_NEAR, gaps[many - 1]) if many > 0 else _NEAR
    runs: list[Run] = []
    for block in blocks:
        if runs and 0 < _gap(runs[-1], block) <= near:
            runs[-1] = Run(block.files, runs[-1].first, block.last)
        else:
            runs.append(block)
    return runs


def _gap(before: Run, after: Run) -> int:
    """Blocks from one to the next of the same file; 0 where that is another."""
    return after.first - before.last if after.files == before.files else 0


def _together(runs: Iterable[Run]) -> list[Run]:
    """The same runs, those of several files that are alike made one: small files are."""
    files: dict[tuple[int, int], tuple[str, ...]] = {}
    for run in runs:
        files[run.first, run.last] = files.get((run.first, run.last), ()) + run.files
    return [Run(names, *ends) for ends, names in files.items()]
