"""What was compiled is found again as it was, and made anew where it is not what it should be."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lakehouse.catalog import load
from lakehouse.catalog.kept import Kept, named
from lakehouse.catalog.load import Catalog
from lakehouse.settings import PROJECT
from lakehouse.transform import columns
from lakehouse.transform.columns import trace_columns

FEEDS = PROJECT / "dags" / "feeds.toml"
TABLE = "silver.ward_stay"


def read(folder: Path, *more: Path) -> Catalog:
    """The catalogue as a new process reads it."""
    load._known.clear()
    columns._traced.clear()
    return Catalog.read([PROJECT / "sql", *more], FEEDS, Kept(folder))


def plain() -> Catalog:
    return Catalog.read([PROJECT / "sql"], FEEDS)


def entries(folder: Path, kind: str) -> list[Path]:
    return sorted(folder.glob(f"{kind}-*"))


@pytest.mark.long
def test_a_second_process_finds_the_catalogue_and_the_edges_and_compiles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = plain()
    first = read(tmp_path)
    edges = trace_columns(first.table(TABLE), first)
    monkeypatch.setattr(load, "_read", pytest.fail)
    second = read(tmp_path)
    assert replace(second, kept=None) == compiled
    assert trace_columns(second.table(TABLE), second) == edges
    assert [len(entries(tmp_path, kind)) for kind in ("catalog", "edges")] == [1, 1]
    assert all(path.stat().st_mode & 0o077 == 0 for path in tmp_path.iterdir())


def tear(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def change(path: Path) -> None:
    path.write_bytes(b"\x81\xa7columns\x05")


def take_away(path: Path) -> None:
    path.unlink()


def put_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.long
@pytest.mark.parametrize("spoil", [tear, empty, change, take_away, put_a_folder])
def test_an_entry_that_is_none_is_made_anew(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    read(tmp_path)
    (entry,) = entries(tmp_path, "catalog")
    spoil(entry)
    assert replace(read(tmp_path), kept=None) == plain()


@pytest.mark.long
def test_another_declaration_is_another_entry(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    text = (PROJECT / "sql" / "functions.sql").read_text()
    (own / "functions.sql").write_text(text)
    read(tmp_path / "kept", own)
    (own / "functions.sql").write_text(text.replace("6);", "7);"))
    changed = read(tmp_path / "kept", own)
    assert len(entries(tmp_path / "kept", "catalog")) == 2
    assert "7);" in changed.macros["fhir_converted"]


def test_where_nothing_can_be_written_nothing_is_found_and_nothing_fails(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("where the folder should be")
    kept = Kept(tmp_path / "file")
    kept.put("numbers", "one", [1])
    assert kept.get("numbers", "one", list[int]) is None


def test_a_value_of_another_shape_is_none(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    kept.put("numbers", "one", [1])
    assert kept.get("numbers", "one", list[int]) == [1]
    assert kept.get("numbers", "one", dict[str, int]) is None


def test_the_oldest_of_too_many_entries_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lakehouse.catalog.kept._MOST", 2)
    kept = Kept(tmp_path)
    for number in range(4):
        kept.put("numbers", str(number), number)
    assert len(list(tmp_path.iterdir())) == 2
    assert kept.get("numbers", "3", int) == 3


def test_parts_that_are_cut_elsewhere_have_another_name() -> None:
    assert named("ab", "c") != named("a", "bc")
