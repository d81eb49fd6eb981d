"""The signature of an extension is checked once a file, and again when anything about it changed."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lakehouse.settings import Settings
from lakehouse.storage import extensions
from lakehouse.storage.engine import Engine
from lakehouse.storage.extensions import are_checked, remember_checked
from tests.workbench import lake_at, settings_at


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Of a process that has checked nothing yet."""
    monkeypatch.setattr(extensions, "_checked", set())
    made = settings_at(tmp_path)
    made.home.mkdir(parents=True, exist_ok=True)
    return made


def written_again(path: Path) -> None:
    path.write_bytes(b"code")


def replaced_by_one_of_the_same_age(path: Path) -> None:
    told = path.stat()
    other = path.with_suffix(".new")
    other.write_bytes(b"evil")
    os.utime(other, ns=(told.st_atime_ns, told.st_mtime_ns))
    other.rename(path)


def changed_and_dated_back(path: Path) -> None:
    told = path.stat()
    path.write_bytes(b"evil")
    os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns))


@pytest.mark.parametrize(
    "change", [written_again, replaced_by_one_of_the_same_age, changed_and_dated_back]
)
def test_what_passed_need_not_pass_again_and_what_changed_since_must(
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Path], None],
) -> None:
    file = tmp_path / "delta.duckdb_extension"
    file.write_bytes(b"code")
    assert not are_checked(settings.home, [file])
    remember_checked(settings.home, [file])
    monkeypatch.setattr(extensions, "_checked", set())
    assert are_checked(settings.home, [file])
    change(file)
    assert not are_checked(settings.home, [file])


@pytest.mark.parametrize("told", [b"", b"[", b"7", b"\xff", b'["other"]'])
def test_a_note_that_cannot_be_read_vouches_for_nothing(
    settings: Settings, tmp_path: Path, told: bytes
) -> None:
    (settings.home / "checked-extensions.json").write_bytes(told)
    assert not are_checked(settings.home, [Path(__file__)])


@pytest.mark.long
def test_the_first_engine_of_a_home_checks_and_the_next_does_not(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unsigned = "select current_setting('allow_unsigned_extensions') as value"
    with Engine(lake_at(tmp_path)) as engine:
        assert engine.table(unsigned).to_pylist() == [{"value": False}]
    monkeypatch.setattr(extensions, "_checked", set())
    with Engine(lake_at(tmp_path)) as engine:
        assert engine.table(unsigned).to_pylist() == [{"value": True}]
    assert (settings.home / "checked-extensions.json").stat().st_mode & 0o777 == 0o600
