"""The verbs of whoever keeps the lakehouse running."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from lakehouse.errors import StoreError
from lakehouse.settings import Settings
from lakehouse.verbs import Add

_MARKS = {True: "ok  ", False: "FAIL", None: "?   "}


def add_operations(add: Add) -> None:
    """Declare the verbs."""
    doctor = add("doctor", _doctor, "Tell what support would ask first, each with its cure.")
    doctor.add_argument("--json", action="store_true", help="for machines")
    moving = add("move", _move, "Bring the lake to the store that the settings name.")
    about = "the folder the lake lies in, where no stack recorded it"
    moving.add_argument("--from", dest="source", metavar="FOLDER", type=Path, help=about)


def _doctor(settings: Settings, told: argparse.Namespace) -> None:
    from lakehouse.stack.doctor import doctor

    findings = doctor(settings)
    if told.json:
        _say(json.dumps([asdict(finding) for finding in findings]))
    for finding in () if told.json else findings:
        _say(f"{_MARKS[finding.ok]} {finding.name}: {finding.detail}")
        if finding.hint:
            _say(f"     cure: {finding.hint}")
    failed = [finding for finding in findings if finding.ok is False]
    if failed:
        raise StoreError(f"{len(failed)} of {len(findings)} findings are wrong: see above")


def _move(settings: Settings, told: argparse.Namespace) -> None:
    from lakehouse.stack.move import move

    moved = move(settings, _say, told.source)
    _say(f"the lake lies in {moved.url} now, with {moved.tables} tables")
    _say("LAKEHOUSE_URL must not name the old place any more; its files stay until you remove them")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
