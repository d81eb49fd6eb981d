"""Tries of a folder that is to hold a lake."""

import hashlib
import os
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lakehouse.errors import StoreError

_RACES, _RACERS = 20, 8
_BYTES = 5 * 2**20 + 1


@dataclass(frozen=True, slots=True)
class Probe:
    """A folder of our own inside the lake's."""

    folder: Path

    def race(self) -> list[int]:
        """Return how many of the racers won each race for one name.

        A hard link that must not exist yet is how a commit is made in a folder.
        """
        with ThreadPoolExecutor(_RACERS) as pool:
            return [self._one_race(number, pool) for number in range(_RACES)]

    def round_trip(self) -> bool:
        """Return whether written bytes come back the same."""
        sent = secrets.token_bytes(_BYTES)
        path = self.folder / "bytes"
        with path.open("wb") as file:
            file.write(sent)
            file.flush()
            os.fsync(file.fileno())
        return hashlib.sha256(path.read_bytes()).digest() == hashlib.sha256(sent).digest()

    def skew_seconds(self) -> float:
        """Return how far the file system's clock is before ours."""
        path = self.folder / "clock"
        path.touch()
        return path.stat().st_mtime - time.time()

    def _one_race(self, number: int, pool: ThreadPoolExecutor) -> int:
        start = threading.Barrier(_RACERS)

        def run(racer: int) -> bool:
            own = self.folder / f"{number}.{racer}"
            own.write_bytes(b"x")
            start.wait()
            try:
                os.link(own, self.folder / str(number))
            except FileExistsError:
                return False
            return True

        return sum(pool.map(run, range(_RACERS)))


@contextmanager
def opened(root: Path) -> Iterator[Probe]:
    """Make the probe's folder, and remove it in the end; raises StoreError when that fails."""
    try:
        folder = Path(tempfile.mkdtemp(prefix="_doctor-", dir=root))
    except OSError as error:
        raise StoreError(f"{root} cannot be written: {error.strerror}") from None
    try:
        yield Probe(folder)
    except OSError as error:
        raise StoreError(f"{root} failed a test: {error.strerror}") from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)
