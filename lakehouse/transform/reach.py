"""Where the versions of changed records can lie: in which ledger entries.

A load says which entries it brought and which older ones hold earlier versions of what came. Tables
keep the bounds of `_sequence` of each file, so that all other files are left out: what an increment
costs follows the change, not the table.
"""

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

from lakehouse.catalog.spec import Table
from lakehouse.storage.commit import Ranges
from lakehouse.storage.snapshots import Snapshots

SEQUENCE = "_sequence"
_MOST = 32


def find_reach(
    seen: Snapshots,
    reads: Iterable[Table],
    before: Mapping[str, int | None],
    now: Mapping[str, int | None],
) -> Ranges | None:
    """The ledger entries that hold every version of each record that changed between two versions
    of a model's inputs; None where that cannot be told."""
    entries: set[tuple[int, int]] = set()
    for read in reads:
        old, new = before.get(read.name), now[read.name]
        if old == new:
            continue
        told = _told(seen, read, old, new) if SEQUENCE in read.columns else None
        if told is None:
            return None
        entries |= told
    return _joined(entries)


def _told(
    seen: Snapshots, read: Table, old: int | None, new: int | None
) -> set[tuple[int, int]] | None:
    stored = seen.find(read.name)
    if stored is None or old is None or new is None:
        return None
    states = [commit.state for commit in stored.since(old) if commit.version <= new]
    if len(states) < new - old:
        return None
    entries: set[tuple[int, int]] = set()
    for state in states:
        if state.get("maintenance"):
            continue
        if "entries" not in state or state.get("touched") is None:
            return None
        entries |= _entries(state)
    return entries


def _entries(state: Mapping[str, Any]) -> set[tuple[int, int]]:
    first, last = state["entries"]
    return {(first, last), *((entry, entry) for entry in state["touched"])}


def _joined(entries: Iterable[tuple[int, int]]) -> Ranges:
    """The same entries, and where they would be too many ranges some between them."""
    ranges: list[tuple[int, int]] = []
    for first, last in sorted(entries):
        if ranges and first <= ranges[-1][1] + 1:
            ranges[-1] = ranges[-1][0], max(last, ranges[-1][1])
        else:
            ranges.append((first, last))
    while len(ranges) > _MOST:
        gaps = [after[0] - before[1] for before, after in pairwise(ranges)]
        place = gaps.index(min(gaps))
        ranges[place : place + 2] = [(ranges[place][0], ranges[place + 1][1])]
    return tuple(ranges)
