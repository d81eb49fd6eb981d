"""What feeds.toml may say of a feed that is pulled, and what is refused before anything runs."""

from pathlib import Path

import pytest

from lakehouse.catalog.expectation import parse_expectation
from lakehouse.catalog.feeds import read_feeds
from lakehouse.catalog.spec import Export, Feed
from lakehouse.errors import SpecError

STANZA = """
[feed.east]
about = "The east's records"
source = "east"
reads = "fhir"
zone = "Europe/Vienna"
owner = "tests"
"""
PULLED = STANZA + 'every = "0 * * * *"\nreceives = "fhir+https://ehr.example/fhir"\n'


def feed(tmp_path: Path, text: str) -> Feed:
    path = tmp_path / "feeds.toml"
    path.write_text(text)
    return read_feeds(path)["east"]


def test_a_feed_whose_senders_come_has_no_export(tmp_path: Path) -> None:
    told = feed(tmp_path, STANZA)
    assert (told.receives, told.export, told.settle_seconds) == ("inbox:", None, 30)


def test_an_export_is_everything_of_the_system_unless_the_stanza_says_less(tmp_path: Path) -> None:
    assert feed(tmp_path, PULLED).export == Export()


def test_a_stanza_may_say_what_is_asked_for_as_whom_and_within_which_limits(
    tmp_path: Path,
) -> None:
    told = """
    [feed.east.export]
    of = "Group/g-1.a"
    types = ["Patient", "Encounter"]
    client_id = "the-lake"
    key_file = "east.json"
    scope = "system/*.rs"
    full_every = "30 days"
    within = "90 minutes"
    most = "2 GiB"
    most_errors = 3
    """
    assert feed(tmp_path, PULLED + told).export == Export(
        "Group/g-1.a", ("Patient", "Encounter"), "the-lake", "east.json", "system/*.rs",
        30 * 86400, 5400, 2 * 2**30, 3,
    )  # fmt: skip


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "[::1]:80", "127.9.9.9"])
def test_a_server_on_this_machine_may_speak_in_the_clear(tmp_path: Path, host: str) -> None:
    assert feed(tmp_path, PULLED.replace("https://ehr.example", f"http://{host}")).export


RECEIVES = 'receives = "fhir+https://ehr.example/fhir"'
WRONG = [
    ("fhir+http://ehr.example/fhir", "", "in the clear"),
    ("fhir+http://127.0.0.1.ehr.example/fhir", "", "in the clear"),
    ("fhir+ftp://ehr.example/fhir", "", "not a server"),
    ("fhir+https:///fhir", "", "not a server"),
    ("fhir+https://ehr.example/fhir?x=1", "", "not a server"),
    ("fhir+https://me:secret@ehr.example/fhir", "", "name or password"),
    ("inbox:", "types = []", "receives from no FHIR server"),
    (None, 'of = "Group/a/b"', "of is"),
    (None, 'of = "system/x"', "of is"),
    (None, 'types = "Patient"', "not a list of resource types"),
    (None, 'types = ["Patient&x=1"]', "not a list of resource types"),
    (None, 'client_id = "x"', "go together"),
    (None, 'key_file = "x"', "go together"),
    (None, 'password = "x"', "unknown"),
    (None, 'within = "soon"', "within is not a duration"),
    (None, 'full_every = "7"', "full_every is not a duration"),
    (None, 'most = "1 EiB"', "most is not a size"),
    (None, "most_errors = -1", "most_errors is not a number"),
]


@pytest.mark.parametrize(("receives", "export", "words"), WRONG)
def test_a_wrong_stanza_is_refused_and_named(
    tmp_path: Path, receives: str | None, export: str, words: str
) -> None:
    text = PULLED.replace(RECEIVES, f'receives = "{receives}"') if receives else PULLED
    with pytest.raises(SpecError, match=words) as caught:
        feed(tmp_path, f"{text}\n[feed.east.export]\n{export}" if export else text)
    assert "feed.east" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_feed_that_is_pulled_says_when(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="pulls, but never"):
        feed(tmp_path, STANZA + RECEIVES)


@pytest.mark.parametrize("text", ["daily by 07:00", "every 4 hours"])
def test_a_stanza_may_say_how_often_its_feed_comes(tmp_path: Path, text: str) -> None:
    assert feed(tmp_path, STANZA).expect is None
    expected = feed(tmp_path, f'{STANZA}expect = "{text}"').expect
    assert expected == parse_expectation(text, "Europe/Vienna")


@pytest.mark.parametrize("text", ["daily", "daily by 25:00", "daily by 7", "every day", "often"])
def test_a_rhythm_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(SpecError, match=r"\[feed.east\] expect"):
        feed(tmp_path, f'{STANZA}expect = "{text}"')
