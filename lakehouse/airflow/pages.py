"""The pages, wired into Airflow: its sign-in, its runs, and a process of its own for every look."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, MutableMapping
from datetime import UTC
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from lakehouse.errors import LakehouseError, PolicyError, SpecError, StoreError

if TYPE_CHECKING:
    from fastapi import FastAPI

    from lakehouse.pages.wiring import Person, Seen, Wiring

PREFIX = "/lakehouse"
_LOOK_SECONDS = 120
_CODES: Mapping[int, type[LakehouseError]] = {10: SpecError, 12: PolicyError}

VIEWS: tuple[Mapping[str, Any], ...] = (
    {
        "name": "Lakehouse",
        "href": f"{PREFIX}/",
        "destination": "nav",
        "url_route": "lakehouse",
        "nav_top_level": True,
    },
    {
        "name": "Lakehouse",
        "href": f"{PREFIX}/dag/{{DAG_ID}}",
        "destination": "dag",
        "url_route": "lakehouse-dag",
    },
    {
        "name": "Lakehouse",
        "href": f"{PREFIX}/dag/{{DAG_ID}}/{{TASK_ID}}",
        "destination": "task",
        "url_route": "lakehouse-task",
    },
)
"""Where Airflow's UI leads to the pages: its navigation, each DAG and each task."""


class Pages:
    """The pages as an ASGI app that is made when somebody first asks for one.

    Every component of Airflow loads its plugins; only the API server answers requests.
    """

    def __init__(self) -> None:
        self._app: FastAPI | None = None

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        """Answer a request."""
        if self._app is None:
            from lakehouse.pages.app import make_app

            self._app = make_app(wire())
        await self._app(scope, receive, send)


def wire() -> "Wiring":
    """What the pages take from Airflow."""
    from airflow.api_fastapi.core_api.security import get_user
    from fastapi import Depends

    from lakehouse.airflow.groups import groups_of
    from lakehouse.airflow.permit import page_secret
    from lakehouse.pages.wiring import Person, Wiring
    from lakehouse.settings import read_settings

    async def require_person(user: Any = Depends(get_user)) -> Person:  # noqa: B008 (so it is told)
        return Person(user.get_name(), groups_of(user), user)

    return Wiring(read_settings(), require_person, next_runs, trigger, look, page_secret())


def next_runs(dag_ids: Iterable[str]) -> dict[str, str]:
    """When each of these DAGs runs next by its schedule; without those that wait for arrivals."""
    from airflow.models.dag import DagModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        found = session.execute(
            select(DagModel.dag_id, DagModel.next_dagrun_create_after).where(
                DagModel.dag_id.in_(list(dag_ids)), DagModel.is_paused.is_(False)
            )
        ).all()
    return {dag_id: at.astimezone(UTC).isoformat() for dag_id, at in found if at}


def trigger(person: "Person", dag_id: str, told: Mapping[str, Any]) -> str:
    """Start a run as this person; raises PolicyError when Airflow does not let them."""
    from airflow.api.common.trigger_dag import trigger_dag
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.models.resource_details import (
        DagAccessEntity,
        DagDetails,
    )
    from airflow.exceptions import DagNotFound
    from airflow.utils.types import DagRunTriggeredByType

    from lakehouse.airflow.permit import PERMIT, permit

    if not get_auth_manager().is_authorized_dag(
        method="POST",
        access_entity=DagAccessEntity.RUN,
        details=DagDetails(id=dag_id),
        user=person.user,
    ):
        raise PolicyError(f"Airflow does not let you start {dag_id}")
    run_id = f"{told['act']}__{uuid4()}"
    try:
        trigger_dag(
            dag_id,
            triggered_by=DagRunTriggeredByType.UI,
            triggering_user_name=person.name,
            run_id=run_id,
            conf={**told, PERMIT: permit(told, run_id, person.name)},
        )
    except DagNotFound:
        raise StoreError(f"Airflow does not know the DAG {dag_id} yet") from None
    return run_id


def look(person: "Person", table: str, sequence: int, line: int) -> "Seen":
    """What waits at a place, by a process that has the keys which this one does not hold.

    Its output is a pipe: what it shows is in no file, log or argument.
    """
    from lakehouse.pages.wiring import Seen

    place = (table, "--delivery", str(sequence), "--line", str(line))
    command = ("quarantine", "show", *place, f"--by={person.name}", "--json")
    try:
        done = subprocess.run(
            (sys.executable, "-m", "lakehouse", *command),
            env=dict(os.environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_LOOK_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise StoreError("the record could not be read in time", hint="try again") from None
    if done.returncode:
        raise _CODES.get(done.returncode, StoreError)(*_said(done.stderr))
    told = json.loads(done.stdout)
    return Seen(told["file_name"], told["text"], told["is_cut"])


def _said(stderr: str) -> tuple[str]:
    lines = [line for line in stderr.splitlines() if line.startswith("error: ")]
    return (lines[-1].removeprefix("error: ") if lines else "the record could not be read",)
