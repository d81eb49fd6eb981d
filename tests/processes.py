"""Processes that race, and processes that are killed: forked from one that is warm, which means that
it has imported everything and used nothing."""

import os
import signal
from collections.abc import Callable, Iterable
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from typing import Any

_context = get_context("forkserver")
_context.set_forkserver_preload(["tests.warm"])


def start(work: Callable[..., None], *arguments: Any) -> ForkServerProcess:
    """Run `work` in a process of its own; it must be a function of a module."""
    process = _context.Process(target=work, args=arguments)
    process.start()
    return process


def run(work: Callable[..., None], *arguments: Any) -> int:
    """Run `work` in a process of its own to its end; the exit code, negative for a signal."""
    return ended(start(work, *arguments))


def race(works: Iterable[tuple[Callable[..., None], tuple[Any, ...]]]) -> list[int]:
    """Run all at once, each behind the same barrier; their exit codes."""
    works = list(works)
    barrier = _context.Barrier(len(works))
    running = [start(_behind, barrier, work, arguments) for work, arguments in works]
    return [ended(process) for process in running]


def ended(process: ForkServerProcess) -> int:
    """Wait for the end of a process; its exit code, negative for a signal."""
    process.join(120)
    if process.exitcode is None:
        process.kill()
        raise TimeoutError("a process hangs")
    return process.exitcode


def kill_now() -> None:
    """End this process as a power cut would."""
    os.kill(os.getpid(), signal.SIGKILL)


def _behind(barrier: Any, work: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    barrier.wait(60)
    work(*arguments)
