"""A person accepts, on the command line, what a complete export lacks."""

from pathlib import Path

import pytest

from lakehouse.cli import main
from tests.ingest.test_reconcile import MANY, export
from tests.workbench import day, ingest, lake_at, settings_at, take


def told_by(
    monkeypatch: pytest.MonkeyPatch, root: Path, capsys: pytest.CaptureFixture[str], *words: str
) -> tuple[int, str]:
    settings = settings_at(root)
    for name, value in {
        "HOME": settings.home,
        "URL": root / "lake",
        "CONFIG": root / "config",
    }.items():
        monkeypatch.setenv(f"LAKEHOUSE_{name}", str(value))
    capsys.readouterr()
    code = main(words)
    out, err = capsys.readouterr()
    return code, out + err


@pytest.mark.long
def test_what_waits_is_listed_accepted_and_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lake = lake_at(tmp_path)
    export(lake, day(2), *MANY)
    export(lake, day(5), *MANY[5:])
    code, told = told_by(monkeypatch, tmp_path, capsys, "quarantine")
    assert code == 0
    assert "a complete export, which lacks 5 of 200 Patient" in told
    assert told_by(monkeypatch, tmp_path, capsys, "accept-missing", "north_ehr") == (
        0,
        "north_ehr: accepted; the next load deletes what the export lacks\n",
    )
    code, told = told_by(
        monkeypatch, tmp_path, capsys, "run", "--feed", "north_ehr", "--table", "silver.patient"
    )
    assert code == 0
    assert "5 deleted that a complete export lacks" in told
    assert (
        "had been accepted"
        in told_by(monkeypatch, tmp_path, capsys, "accept-missing", "north_ehr")[1]
    )
    assert ingest(lake).missing == 0


@pytest.mark.long
def test_a_feed_without_a_complete_export_has_nothing_to_accept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    take(lake_at(tmp_path), *MANY[:1])
    code, told = told_by(monkeypatch, tmp_path, capsys, "accept-missing", "north_ehr")
    assert (code, "never had a complete export" in told) == (10, True)
