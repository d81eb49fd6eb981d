"""Kills its own process at the n-th boundary: before and after each commit, put or rename."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from deltalake import DeltaTable

from lakehouse.ingest.receivers.inbox import Inbox
from lakehouse.objects.folder import FolderObjects
from lakehouse.objects.s3 import S3Objects
from lakehouse.storage.lake import Stored
from tests.processes import kill_now

Boundaries = tuple[tuple[Any, str], ...]

COMMITS: Boundaries = (
    (Stored, "append"),
    (Stored, "replace"),
    (Stored, "merge"),
    (Stored, "record"),
    (DeltaTable, "create"),
    (FolderObjects, "put"),
    (S3Objects, "put"),
)
RENAMES: Boundaries = ((Path, "rename"), (Inbox, "release"))
"""What moves files through an inbox."""


def raise_guillotine(boundaries: Boundaries, falls_at: int | None = None) -> Callable[[], int]:
    """Watch the boundaries that this process crosses, and kill it at one; the count so far."""
    crossed = 0

    def cross() -> None:
        nonlocal crossed
        crossed += 1
        if crossed == falls_at:
            kill_now()

    def watched(work: Callable[..., Any]) -> Callable[..., Any]:
        def at_boundary(*arguments: Any, **options: Any) -> Any:
            cross()
            done = work(*arguments, **options)
            cross()
            return done

        return at_boundary

    for owner, name in boundaries:
        setattr(owner, name, watched(getattr(owner, name)))
    return lambda: crossed


def killed_at(root: Path, work: Callable[[Path], None], falls_at: int) -> None:
    """Do `work`, and die at that commit or put."""
    raise_guillotine(COMMITS, falls_at)
    work(root)


def count_boundaries(root: Path, work: Callable[[Path], None]) -> None:
    """Do `work`, and write down how many boundaries it crossed."""
    crossed = raise_guillotine(COMMITS)
    work(root)
    (root / "crossed").write_text(str(crossed()))
