"""The doctor tells a folder that is fit from one that is not."""

import pytest

from lakehouse.stack import doctor
from lakehouse.stack.folder_probe import Probe
from lakehouse.stack.places import Places


def verdicts(settings) -> dict[str, bool]:
    return {finding.name: finding.ok for finding in doctor(settings)}


@pytest.fixture
def lake(tmp_path):
    folder = tmp_path / "lake"
    folder.mkdir(mode=0o700)
    return folder


def test_a_folder_of_ones_own_is_fit_and_nothing_is_left_in_it(configure, lake):
    found = verdicts(configure(LAKEHOUSE_URL=str(lake)))
    assert len(found) == 5
    assert all(found.values())
    assert list(lake.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "answer", "finding"),
    [
        ("race", [1, 1, 2], "of those who write one key at once, one wins"),
        ("race", [1, 0, 1], "of those who write one key at once, one wins"),
        ("round_trip", False, "what was written is read back"),
        ("skew_seconds", 61.0, "the clocks agree"),
        ("skew_seconds", -61.0, "the clocks agree"),
    ],
)
def test_what_does_not_hold_is_found_and_has_a_hint(
    configure, lake, monkeypatch, name, answer, finding
):
    monkeypatch.setattr(Probe, name, lambda _: answer)
    (wrong,) = [one for one in doctor(configure(LAKEHOUSE_URL=str(lake))) if not one.ok]
    assert wrong.name == finding
    assert wrong.hint


def test_a_lake_and_secrets_that_others_may_read_are_found(configure, lake):
    settings = configure(LAKEHOUSE_URL=str(lake))
    lake.chmod(0o755)
    secret = Places(settings.home).secrets / "a.json"
    secret.write_text("{}")
    secret.chmod(0o644)
    wrong = {name for name, ok in verdicts(settings).items() if not ok}
    assert wrong == {"the lake is its owner's only", "secrets are their owner's only"}


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, "no lake is known here"),
        ({"LAKEHOUSE_URL": "/nowhere/lake"}, "is not a folder"),
        (
            {
                "LAKEHOUSE_URL": "s3://lake",
                "LAKEHOUSE_S3_ENDPOINT": "http://127.0.0.1:1",
                "LAKEHOUSE_S3_ACCESS_KEY": "a",
                "LAKEHOUSE_S3_SECRET_KEY": "b",
            },
            "does not answer",
        ),
        (
            {"LAKEHOUSE_URL": "s3://lake", "LAKEHOUSE_S3_ENDPOINT": "http://127.0.0.1:1"},
            "no S3 access key",
        ),
    ],
)
def test_a_store_that_is_not_there_is_a_finding_and_no_crash(configure, variables, said):
    last = doctor(configure(**variables))[-1]
    assert not last.ok
    assert said in last.detail
    assert last.hint
