"""The login to a FHIR server: a signed assertion, a token that runs out, a key that stays secret."""

import json
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from lakehouse.errors import LakehouseError, PolicyError, QualityError, SpecError, StoreError
from lakehouse.ingest.bulk.login import read_key
from tests.ingest.ehr import CANARY, gives, says
from tests.ingest.site import ALGORITHMS, RECORDS, Site, as_client

pytestmark = pytest.mark.long


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_it_logs_in_once_and_shows_the_token_where_it_is_asked_for(
    site: Site, algorithm: str
) -> None:
    as_client(site, algorithm)
    assert site.take() == len(RECORDS)
    assert site.ehr.count("token") == 1
    shown = {step for step, told in site.ehr.seen if "Authorization" in told}
    assert shown == {"kickoff", "status", "file", "cancel"}


def test_a_token_that_runs_out_in_the_middle_is_got_anew(site: Site) -> None:
    as_client(site)
    site.ehr.uses_of_a_token = 2
    assert site.take() == len(RECORDS)
    assert site.ehr.count("token") >= 3
    assert len(site.ehr.asked) == 1


def test_a_login_that_is_tried_again_shows_another_assertion(site: Site) -> None:
    as_client(site)
    site.ehr.lost_answers = 2
    assert site.take() == len(RECORDS)
    assert len(site.ehr.assertions) == 3


def test_a_token_is_got_anew_before_its_time_is_over(site: Site) -> None:
    as_client(site)
    short = json.dumps({"access_token": "secret-x", "expires_in": -1}).encode()
    site.ehr.tokens["secret-x"] = 10**6
    site.ehr.faults = {"token": [gives(short)]}
    assert site.take() == len(RECORDS)
    assert site.ehr.count("token") == 1, "a token lives a second at least"


@pytest.mark.parametrize(
    ("faults", "kind", "words"),
    [
        ({"token": [says(400)]}, PolicyError, "refuses the login: invalid_client"),
        ({"token": [gives(b"{}")]}, QualityError, "gives no token"),
        ({"token": [says(503)] * 9}, StoreError, "status 503"),
        ({"configuration": [says(404)]}, SpecError, "does not say where to log in"),
        ({"configuration": [gives(b'{"token_endpoint": "http://ehr.example/"}')]}, QualityError, "not https"),
        ({"configuration": [says(302, Location=f"https://{CANARY}/")]}, QualityError, "elsewhere"),
    ],
)  # fmt: skip
def test_a_login_that_is_refused_is_told_without_the_servers_words(
    site: Site, faults: dict[str, Any], kind: type[LakehouseError], words: str
) -> None:
    as_client(site)
    site.ehr.faults = faults
    with pytest.raises(kind, match=words) as caught:
        site.pull()
    assert CANARY not in str(caught.value)
    assert site.ehr.asked == []


def test_neither_key_nor_token_gets_into_logs_errors_or_files(
    site: Site, capfd: pytest.CaptureFixture[str]
) -> None:
    key = as_client(site)
    site.ehr.faults = {"status": [says(401), says(401)]}
    with pytest.raises(PolicyError) as caught:
        site.pull()
    site.take()
    told = capfd.readouterr()
    text = f"{caught.value!r}{told.out}{told.err}"
    for path in site.root.rglob("*"):
        if path.is_file() and path.name != "ehr.json":
            text += path.read_bytes().decode(errors="replace")
    assert key["d"] not in text
    assert "secret-" not in text


def key(path: Path, told: Any, mode: int = 0o600) -> Path:
    path.write_text(told if isinstance(told, str) else json.dumps(told))
    path.chmod(mode)
    return path


PRIVATE = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(ALGORITHMS["ES384"][1])) | {"kid": "k"}
SMALL = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1())))
PUBLIC = {name: value for name, value in PRIVATE.items() if name != "d"}


@pytest.mark.parametrize(
    ("told", "mode", "words"),
    [
        (PRIVATE, 0o640, "open to others"),
        (PRIVATE, 0o604, "open to others"),
        ("-----BEGIN PRIVATE KEY-----", 0o600, "0 private JSON Web Keys"),
        (PUBLIC, 0o600, "0 private JSON Web Keys"),
        ({"keys": [PRIVATE, PRIVATE]}, 0o600, "2 private JSON Web Keys"),
        ({"keys": 7}, 0o600, "0 private JSON Web Keys"),
        ({**PRIVATE, "kid": None}, 0o600, "needs a kid"),
        ({**PRIVATE, "kty": "oct"}, 0o600, "needs a kid"),
        ({**PRIVATE, "x": "!"}, 0o600, "no key that can sign"),
        ({**SMALL, "kid": "k"}, 0o600, "no key that can sign"),
    ],
)
def test_a_key_file_that_cannot_be_used_is_refused_without_what_is_in_it(
    tmp_path: Path, told: Any, mode: int, words: str
) -> None:
    with pytest.raises(SpecError, match=words) as caught:
        read_key("key_file", key(tmp_path / "key.json", told, mode))
    assert PRIVATE["d"] not in str(caught.value)


def test_a_key_file_that_is_not_there_is_named_as_such(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="No such file"):
        read_key("key_file", tmp_path / "none")


def test_a_set_with_one_private_key_is_as_good_as_the_key(tmp_path: Path) -> None:
    found = read_key("key_file", key(tmp_path / "key.json", {"keys": [PUBLIC, PRIVATE]}))
    assert (found.name, found.algorithm) == ("k", "ES384")
    assert PRIVATE["d"] not in repr(found)
