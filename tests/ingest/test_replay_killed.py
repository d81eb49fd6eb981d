"""Refused records are taken up again exactly once: killed anywhere, or by two at once."""

import re
import shutil
from pathlib import Path
from unittest import mock

import pytest

from lakehouse.catalog.acts import DISMISS, REPLAY
from lakehouse.ingest.readers import fhir
from lakehouse.ingest.replay import Act, Which, apply, enter
from tests.guillotine import count_boundaries, killed_at
from tests.processes import race, run
from tests.workbench import contents, day, drop, ingest, lake_at, patient, take

pytestmark = pytest.mark.long

FEED = "north_ehr"


def begin(root: Path) -> None:
    """Refused are two that pass now, one that confirms what is known at a later time, and two that
    never pass; of these one is to be dismissed."""
    lake = lake_at(root)
    take(lake, patient("p30", day(1)), name="known.ndjson")
    refused = [patient("p10", day(1)), patient("p20", day(1)), patient("p30", day(2)), {}, {}]
    with mock.patch.object(fhir, "ID", re.compile(r"p[0-9]\Z")):
        take(lake, patient("p1", day(1)), *refused)
    enter(lake, Act(FEED, REPLAY, "jane", "reader or rules changed", Which()))
    enter(lake, Act(FEED, DISMISS, "jane", "test data", Which(None, 2, 5)))
    drop(lake, FEED, "later.ndjson", [patient("p77", day(4))])


def apply_all(root: Path) -> None:
    lake = lake_at(root)
    apply(lake, lake.catalog.feeds[FEED])


def load_more(root: Path) -> None:
    ingest(lake_at(root))


def test_a_kill_at_any_commit_and_a_run_after_it_leave_what_one_run_leaves(tmp_path: Path) -> None:
    base = tmp_path / "base"
    assert run(begin, base) == 0
    shutil.copytree(base, tmp_path / "calm")
    assert run(count_boundaries, tmp_path / "calm", apply_all) == 0
    expected = contents(lake_at(tmp_path / "calm"), envelope=True)
    assert expected["bronze.fhir_resource"].startswith("4 rows")
    assert expected["bronze.fhir_seen"].startswith("1 rows")
    assert expected["quarantine.north_ehr"].startswith("1 rows")
    boundaries = int((tmp_path / "calm" / "crossed").read_text())
    assert boundaries >= 8
    for falls_at in range(1, boundaries + 1):
        root = tmp_path / f"killed{falls_at}"
        shutil.copytree(base, root)
        assert run(killed_at, root, apply_all, falls_at) < 0
        assert run(apply_all, root) == 0
        assert contents(lake_at(root), envelope=True) == expected, f"killed at {falls_at}"
        shutil.rmtree(root)


def test_three_at_once_beside_a_load_leave_what_one_leaves(tmp_path: Path) -> None:
    base = tmp_path / "base"
    assert run(begin, base) == 0
    shutil.copytree(base, tmp_path / "calm")
    assert run(apply_all, tmp_path / "calm") == 0
    assert run(load_more, tmp_path / "calm") == 0
    expected = contents(lake_at(tmp_path / "calm"))
    works = [(apply_all, (base,))] * 3 + [(load_more, (base,))]
    assert race(works) == [0, 0, 0, 0]
    assert contents(lake_at(base)) == expected
