"""What of this machine support would ask about first: versions, room, memory, ports, secrets."""

import os
import re
import shutil
import stat
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from lakehouse.settings import PROJECT, Settings
from lakehouse.stack.finding import Finding, found, unseen
from lakehouse.stack.places import Places
from lakehouse.stack.ports import is_free, running

_NAMED = ("apache-airflow-core", "deltalake", "duckdb")
_PINNED = re.compile(r"^([a-z0-9-]+)==([^ ;\\]+)", re.M)
_LEAST_SHARE, _LEAST_BYTES, _LEAST_FILES = 0.05, 2 * 2**30, 10_000
_LEAST_TASK_BYTES = 256 * 2**20
_LIMIT = Path("/sys/fs/cgroup/memory.max")
_OTHERS = 0o077
_GIB = 2**30


def look_at_machine(settings: Settings, *, is_server: bool, is_running: bool) -> list[Finding]:
    """Tell what was found on this machine, or in this container; changes nothing."""
    return [
        _versions(),
        _room(settings),
        _memory(settings),
        *_ports(settings, is_server=is_server, is_running=is_running),
        _secrets(settings),
    ]


def _versions() -> Finding:
    python = ".".join(map(str, sys.version_info[:3]))
    known = {name: _installed(name) for name in ("clinical-lakehouse", *_NAMED)}
    lock = PROJECT / "requirements.lock"
    pinned = dict(_PINNED.findall(lock.read_text())) if lock.is_file() else {}
    wrong = [f"{name} is not {pinned[name]}" for name in _NAMED if _differs(known, pinned, name)]
    fits = (3, 11) <= sys.version_info[:2] < (3, 14)
    told = [f"Python {python}", *(f"{name} {it or 'not here'}" for name, it in known.items())]
    return found(
        "the versions are those that were tested together",
        fits and not wrong,
        ", ".join(told + wrong),
        "`make setup` installs what requirements.lock names; Python 3.11 to 3.13",
    )


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _differs(known: Mapping[str, str | None], pinned: Mapping[str, str], name: str) -> bool:
    # without the extra `stack` there is no Airflow, which is no fault
    return known[name] is not None and name in pinned and known[name] != pinned[name]


def _room(settings: Settings) -> Finding:
    places = {"the home": settings.home, "the inbox": settings.inbox}
    if settings.url and not settings.url.startswith("s3://"):
        places["the lake"] = Path(settings.url)
    seen = {name: _first_there(path) for name, path in places.items()}
    wrong = [f"{name} is nearly full" for name, path in seen.items() if _is_full(path)]
    free = (f"{name} {shutil.disk_usage(path).free / _GIB:.1f}" for name, path in seen.items())
    return found(
        "there is room on the disks",
        not wrong,
        f"GiB free: {', '.join(free)}{'; ' if wrong else ''}{'; '.join(wrong)}",
        "make room: `lakehouse govern` drops old files of tables; logs lie in the home's logs/",
    )


def _first_there(path: Path) -> Path:
    """The folder, or the nearest above it that is there."""
    return next(one for one in (path, *path.parents) if one.exists())


def _is_full(path: Path) -> bool:
    usage, files = shutil.disk_usage(path), os.statvfs(path)
    is_short = usage.free < max(_LEAST_BYTES, usage.total * _LEAST_SHARE)
    # file systems that count no files say 0 of 0
    return is_short or (files.f_files > 0 and files.f_favail < _LEAST_FILES)


def _memory(settings: Settings) -> Finding:
    there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = _LIMIT.read_text().strip() if _LIMIT.is_file() else ""
    there = min(there, int(limit)) if limit.isdecimal() else there
    share = settings.slot_memory_bytes
    return found(
        "the memory of all tasks is there",
        settings.memory_bytes <= there and share >= _LEAST_TASK_BYTES,
        f"{settings.memory_bytes / _GIB:.1f} of {there / _GIB:.1f} GiB, {settings.slots} tasks at "
        f"once with {share / _GIB:.2f} each",
        "lower LAKEHOUSE_MEMORY to what is there, or LAKEHOUSE_SLOTS so that each task has enough",
    )


def _ports(settings: Settings, *, is_server: bool, is_running: bool) -> list[Finding]:
    if is_server:
        return [unseen("the ports", "the engine publishes them: `docker compose ps` shows which")]
    ports = running(settings).ports
    if is_running:
        told = ", ".join(f"{name} {port}" for name, port in ports.items())
        return [found("the ports", True, f"held by the running stack: {told}", "")]
    taken = [f"{name} {port}" for name, port in ports.items() if not is_free(port)]
    return [
        found(
            "the ports",
            not taken,
            f"taken by another program: {', '.join(taken)}" if taken else "free for `lakehouse up`",
            "set LAKEHOUSE_AIRFLOW_PORT or LAKEHOUSE_S3_PORT to a free port, or end that program",
        )
    ]


def _secrets(settings: Settings) -> Finding:
    places = Places(settings.home)
    known = [path for path in places.secrets.rglob("*") if path.is_file()]
    named = settings.environment.items()
    known += [Path(value) for name, value in named if name.endswith("_FILE") and value]
    gone = [path for path in known if not path.is_file()]
    wide = [path for path in known if path.is_file() and _is_open(path)]
    if settings.home.is_dir() and _is_open(settings.home):
        wide.append(settings.home)
    told = f"{len(known)} files, {len(wide)} readable by others, {len(gone)} not there"
    return found("secrets are their owner's only", not wide and not gone, told, _cure(wide, gone))


def _is_open(path: Path) -> bool:
    return bool(stat.S_IMODE(path.stat().st_mode) & _OTHERS)


def _cure(wide: Iterable[Path], gone: Iterable[Path]) -> str:
    if names := " ".join(map(str, wide)):
        return f"chmod go= {names}"
    return f"put back what a setting names: {' '.join(map(str, gone))}"
