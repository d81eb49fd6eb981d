"""What the demo does beside Airflow: it delivers like a sender, once, and shows the lake."""

from pathlib import Path

import pytest

from lakehouse.airflow.demo import Delivered, deliver, demo_feeds, show
from lakehouse.catalog.load import Catalog
from lakehouse.errors import SpecError
from lakehouse.ingest.receivers.inbox import waiting
from lakehouse.settings import Settings, read_settings
from lakehouse.storage.lake import open_lake
from lakehouse.transform.river import run

PATIENTS = 30


def settings_in(folder: Path, **more: str) -> Settings:
    told = {"LAKEHOUSE_HOME": str(folder / "home"), "LAKEHOUSE_URL": str(folder / "lake")}
    return read_settings(told | more)


def test_a_delivery_is_seen_whole_or_not_at_all_and_can_be_taken_at_once(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    feeds = demo_feeds(Catalog.of(settings))
    assert not any(waiting(settings, feed) for feed in feeds)
    told = deliver(settings, feeds, PATIENTS, 1)
    for feed in feeds:
        files = [path for path in (settings.inbox / feed.name).rglob("*") if path.is_file()]
        assert len(files) == told[feed.name] > 20
        assert waiting(settings, feed)
    assert {path.name for path in settings.inbox.iterdir()} == {feed.name for feed in feeds}


def test_what_was_delivered_is_remembered_for_this_lake_only(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    settings.home.mkdir()
    assert Delivered(settings).exports() == []
    Delivered(settings).add(1)
    Delivered(settings).add(2)
    assert Delivered(settings).exports() == [1, 2]
    other = settings_in(tmp_path, LAKEHOUSE_URL=str(tmp_path / "other"))
    assert Delivered(other).exports() == []


def test_a_hospitals_own_feeds_are_not_used_for_a_demo(tmp_path: Path) -> None:
    (tmp_path / "feeds.toml").write_text("")
    settings = settings_in(tmp_path, LAKEHOUSE_CONFIG=str(tmp_path))
    with pytest.raises(SpecError, match="needs the feeds"):
        demo_feeds(Catalog.of(settings))


@pytest.mark.long
def test_at_the_end_tables_lineage_one_rows_origin_and_three_answers_are_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = settings_in(tmp_path)
    feed, other = demo_feeds(Catalog.of(settings))
    deliver(settings, [feed, other], PATIENTS, 1)
    run(settings, lambda _: None, feeds=[feed.name])
    capsys.readouterr()
    said: list[str] = []
    show(open_lake(settings, "read"), said.append)
    text = "\n".join(said)
    (listed,) = [line.split() for line in said if line.startswith("  gold.readmission    ")]
    assert int(listed[1]) > 0
    passed, _, checks = listed[3].partition("/")
    assert passed == checks
    assert "resource $.period.start" in text
    assert f"{feed.name} delivery" in text
    assert max(map(len, said)) < 140
    assert text.count("\n  -----") >= 4
    assert "\n  north/ward-" in text
    assert capsys.readouterr().out == ""
