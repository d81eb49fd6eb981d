"""What a command costs as a whole process, and how the figures are printed."""

import gzip
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lakehouse.catalog.load import Catalog
from lakehouse.settings import read_settings

PROJECT = Path(__file__).resolve().parents[2]
SYNTHEA = PROJECT.parent / "shared" / "data" / "fhir" / "synthea600"
FEED = "north_ehr"


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of wall clock and of CPU (user + system, all threads), and the peak in MiB."""

    wall: float
    cpu: float
    peak: float

    def __add__(self, other: "Cost") -> "Cost":
        """What two processes one after the other cost."""
        return Cost(self.wall + other.wall, self.cpu + other.cpu, max(self.peak, other.peak))


_LAUNCH = """
import json, os, sys, time
begun = time.monotonic()
child = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(child, 0)
told = time.monotonic() - begun, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
with open(sys.argv[1], "w") as report:
    json.dump((*told, os.waitstatus_to_exitcode(status)), report)
"""
"""Starts a command and tells its cost. On Linux a child's peak begins at the peak of whoever starts it,
so that it is a small process of its own that does."""


def cost_of(arguments: Sequence[str | Path], settings: Mapping[str, str] | None = None) -> Cost:
    """Run a command of this interpreter to its end; raises RuntimeError with what it said."""
    command = [sys.executable, *map(str, arguments)]
    with tempfile.TemporaryFile() as said, tempfile.NamedTemporaryFile() as report:
        launch = [sys.executable, "-I", "-S", "-c", _LAUNCH, report.name, *command]
        environment = os.environ | (settings or {})
        # as under make: else each process compiles anew what it imports, which is no work of ours
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        subprocess.run(launch, cwd=PROJECT, env=environment, stdout=said, stderr=said, check=True)
        wall, cpu, peak, code = json.load(report)
        if code:
            said.seek(0)
            raise RuntimeError(f"{command}: {code}\n{said.read().decode()}")
    return Cost(wall, cpu, peak)


def aloud(*arguments: str | Path) -> None:
    """Run a module of the bench in a process of its own; it prints."""
    subprocess.run([sys.executable, "-m", *map(str, arguments)], cwd=PROJECT, check=True)


def median(costs: Sequence[Cost]) -> Cost:
    """Medians of wall and CPU, and the highest peak."""
    return Cost(
        statistics.median(cost.wall for cost in costs),
        statistics.median(cost.cpu for cost in costs),
        max(cost.peak for cost in costs),
    )


def median_ratio(ours: Sequence[Cost], floors: Sequence[Cost]) -> float:
    """The median of the CPU ratios of each round."""
    return statistics.median(a.cpu / b.cpu for a, b in zip(ours, floors, strict=True))


FEEDS = """
[feed.north_ehr]
about = "The export that is measured"
source = "north"
reads = "fhir"
zone = "America/New_York"
owner = "bench"
settle = "0 seconds"
"""


def settings_in(folder: Path, memory: str = "4GiB") -> dict[str, str]:
    """The environment of a lake in this folder, with four slots that share `memory`; its one feed
    takes a file as soon as it is there."""
    config = folder / "config"
    config.mkdir(parents=True, exist_ok=True)
    (config / "feeds.toml").write_text(FEEDS)
    return {
        "LAKEHOUSE_HOME": str(folder / "home"),
        "LAKEHOUSE_URL": str(folder / "lake"),
        "LAKEHOUSE_CONFIG": str(config),
        "LAKEHOUSE_MEMORY": memory,
        "LAKEHOUSE_SLOTS": "4",
    }


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder that is gone afterwards; TMPDIR says where."""
    with tempfile.TemporaryDirectory(prefix="lakehouse-bench-") as folder:
        yield Path(folder)


def size_in_silver(export: Path) -> int:
    """Bytes of the NDJSON of an export, whose files are named for their types, but for types that no
    silver table is made for."""
    with scratch() as folder:
        catalog = Catalog.of(read_settings(settings_in(folder)))
    made = {kind for table in catalog.models() for kind in catalog.resource_types(table)}
    files = [path for path in export.iterdir() if path.name.partition(".")[0] in made]
    return sum(len(gzip.decompress(path.read_bytes())) for path in files)


def say(line: str = "") -> None:
    """Print a line at once."""
    print(line, flush=True)  # noqa: T201


def show(head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under their head, aligned."""
    told = [[_text(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(head, *told, strict=True)]
    for row in [list(head), *told]:
        say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    say()


def show_machine() -> None:
    """Print what the figures hold for."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    say(
        f"{os.cpu_count()} cores, {pages / 2**30:.0f} GiB, Python {platform.python_version()}, "
        f"load average {load}"
    )


def _text(cell: object) -> str:
    return f"{cell:.2f}" if isinstance(cell, float) else str(cell)
