"""The shipped compose file against the compose specification's own schema."""

import copy
import json

import pytest
import yaml
from jsonschema import Draft7Validator

from lakehouse.settings import PROJECT
from tests.server.engine import HOME

pytestmark = pytest.mark.peer


@pytest.fixture
def specification() -> Draft7Validator:
    path = HOME / "compose-spec.json"
    if not path.is_file():
        pytest.skip("the compose specification's schema is not here (`make engine` gets it)")
    return Draft7Validator(json.loads(path.read_text()))


@pytest.fixture
def shipped() -> dict[str, object]:
    return yaml.safe_load((PROJECT / "docker-compose.yml").read_text())


def test_the_file_is_right_by_the_specification(specification, shipped):
    assert [error.json_path for error in specification.iter_errors(shipped)] == []


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("services", "minio", "restrat"), "always"),
        (("services", "minio", "cap_drop"), "ALL"),
        (("services", "minio", "healthcheck", "interval"), 10),
        (("networks", "inner", "internal"), [True]),
        (("secrets", "postgres_password", "path"), "x"),
    ],
)
def test_what_is_wrong_by_it_is_found(specification, shipped, place, value):
    broken = copy.deepcopy(shipped)
    *way, last = place
    at = broken
    for name in way:
        at = at[name]
    at[last] = value
    assert list(specification.iter_errors(broken)) != []
