"""Kills its own process at the n-th boundary: before and after each commit, each put and each rename."""

import os
import shutil
from collections.abc import Callable
from typing import Any

from deltalake import DeltaTable

from lakehouse.objects import FolderObjects
from lakehouse.storage.lake import Stored
from tests.processes import kill_now

BOUNDARIES: tuple[tuple[Any, str], ...] = (
    (Stored, "append"),
    (Stored, "replace"),
    (Stored, "merge"),
    (Stored, "record"),
    (DeltaTable, "create"),
    (FolderObjects, "put"),
    (os, "rename"),
    (os, "replace"),
    (shutil, "rmtree"),
)


def raise_guillotine(falls_at: int | None) -> Callable[[], int]:
    """Watch every boundary that this process crosses, and kill it at one; the count so far."""
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

    for owner, name in BOUNDARIES:
        setattr(owner, name, watched(getattr(owner, name)))
    return lambda: crossed
