"""Calls of the command line, one after the other, each in a process forked from this one: its modules
of plain Python are loaded here, none of an engine. What a fork runs is `python -m lakehouse`, from its
first line to the end of the interpreter.

The calls come in as JSON, a list of words each; their exit codes go out, negative for a signal.
"""

import json
import os
import runpy
import sys
from importlib import import_module
from pathlib import Path

PLAIN = (
    "lakehouse.cli",
    "lakehouse.lineage.emit",
    "lakehouse.state.store",
    "lakehouse.transform.tracing",
)
ENGINES = {"duckdb", "deltalake", "pyarrow", "polars"}


def answer_all() -> None:
    """Make each call; a fork leaves through here as it would leave through `python -m`."""
    for module in PLAIN:
        import_module(module)
    # else a fork would not load, start and end them itself
    assert not ENGINES & sys.modules.keys()
    assert len(list(Path("/proc/self/task").iterdir())) == 1
    codes = []
    for words in json.load(sys.stdin):
        fork = os.fork()
        if not fork:
            _silence()
            sys.argv = ["lakehouse", *words]
            runpy.run_module("lakehouse", run_name="__main__", alter_sys=True)
        codes.append(os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1]))
    json.dump(codes, sys.stdout)


def _silence() -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nowhere, stream)


if __name__ == "__main__":
    answer_all()
