"""What policy.yml says of a group of Airflow's holds also where a task acts: it asks who is in it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from lakehouse.catalog.policy import ACT
from lakehouse.errors import PolicyError, StoreError
from lakehouse.settings import Settings
from tests.served import API, Served, serving

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("airflow")]

FAB = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
PEOPLE = {"olga": ("Op", True), "vera": ("Viewer", True), "gone": ("Op", False)}
POLICY = """
roles: {}
airflow:
  users: {}
  groups: {Op: [operator], Viewer: [viewer]}
"""
ADMIT = """
import json, sys
from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
with get_application_builder() as builder:
    for name, (role, is_active) in json.loads(sys.argv[1]).items():
        found = builder.sm.find_role(role)
        user = builder.sm.add_user(name, name, "of tests", f"{name}@localhost", found, name)
        user.active = is_active
        builder.sm.update_user(user)
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, settings: Settings) -> Iterator[Served]:
    """An API server whose people FAB keeps, in a database that no task may read."""
    folder = tmp_path_factory.mktemp("fab") / "airflow"
    with serving(folder, settings, {}, (API,), core__auth_manager=FAB) as running:
        command = (sys.executable, "-c", ADMIT, json.dumps(PEOPLE))
        subprocess.run(command, env=dict(running.environment), capture_output=True, check=True)
        yield running


@pytest.fixture
def part(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """This process as a part of that Airflow, and the lake's settings with a policy of ours."""
    for name in ("CORE__AUTH_MANAGER", "CORE__EXECUTION_API_SERVER_URL", "API__SECRET_KEY"):
        monkeypatch.setenv(f"AIRFLOW__{name}", served.environment[f"AIRFLOW__{name}"])
    (tmp_path / "policy.yml").write_text(POLICY)
    from lakehouse.settings import read_settings

    return read_settings({**served.settings.environment, "LAKEHOUSE_CONFIG": str(tmp_path)})


@pytest.mark.parametrize(
    ("name", "is_let"),
    [("olga", True), ("vera", False), ("gone", False), ("nobody", False), ("", False)],
)
def test_a_task_lets_whom_a_role_of_fab_lets(part: Settings, name: str, is_let: bool) -> None:
    from lakehouse.airflow.rights import require_right

    if is_let:
        require_right(part, name, ACT)
    else:
        with pytest.raises(PolicyError, match=f"not give {name or 'nobody'} the right to act"):
            require_right(part, name, ACT)


def question(**changed: Any) -> str:
    from lakehouse.airflow.groups import Asked

    return json.dumps(asdict(Asked.now("olga")) | changed)


@pytest.mark.parametrize(
    "changed",
    [{"proof": ""}, {"proof": "é"}, {"name": "vera"}, {"at": 0}],
    ids=["no proof", "no proof of ours", "another person's", "old"],
)
def test_groups_are_told_to_parts_of_this_airflow_only(
    served: Served, part: Settings, changed: dict[str, Any]
) -> None:
    place = "/lakehouse-groups/"
    assert served.ask(place, body=question(), kind="json").told == ["Op"]
    assert served.ask(place, body=question(**changed), kind="json").status == 401
    assert served.ask(place).status == 405


def test_an_api_server_that_does_not_tell_lets_nobody_in_and_is_asked_again(
    part: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lakehouse.airflow.rights import require_right

    monkeypatch.setenv("AIRFLOW__API__SECRET_KEY", "another one")
    with pytest.raises(StoreError, match="does not tell anybody's groups: 401"):
        require_right(part, "olga", ACT)
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTION_API_SERVER_URL", "http://127.0.0.1:9/execution/")
    with pytest.raises(StoreError, match="groups: URLError"):
        require_right(part, "olga", ACT)


def test_a_person_whom_policy_names_needs_no_groups(
    part: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lakehouse.airflow.rights import require_right

    (tmp_path / "policy.yml").write_text("roles: {}\nairflow: {users: {olga: [operator]}}\n")
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTION_API_SERVER_URL", "http://127.0.0.1:9/execution/")
    require_right(part, "olga", ACT)
