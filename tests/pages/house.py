"""The pages in this process, over a lake that the river filled, with people whom a header names."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi import HTTPException, Request
from fastapi.testclient import TestClient

from lakehouse.errors import PolicyError
from lakehouse.govern.follow import follow_all
from lakehouse.ingest.replay import Act, Which, apply, enter
from lakehouse.pages.app import make_app
from lakehouse.pages.guard import form_token
from lakehouse.pages.wiring import Person, Seen, Wiring
from lakehouse.settings import Settings
from lakehouse.state.store import State, open_state
from lakehouse.transform.river import run
from tests.workbench import NOW, Resource, drop, encounter, lake_at, patient, settings_at

POLICY = """
roles: {}
airflow:
  users: {vera: [viewer], olaf: [operator]}
  groups: {stewards: [steward]}
"""
PEOPLE = {
    "nobody": Person("nora", ("User",)),
    "viewer": Person("vera"),
    "operator": Person("olaf"),
    "steward": Person("stella", ("User", "stewards")),
}
FEED, QUARANTINE = "north_ehr", "quarantine.north_ehr"
BUILT = ("silver.patient", "silver.encounter", "gold.readmission")
WRONG: Resource = {}


def wiring_for(settings: Settings, **more: Any) -> Wiring:
    """The wiring of these tests: a header says who asks, nothing is started or shown for real."""
    told: dict[str, Any] = {
        "require_person": require_person,
        "next_runs": lambda _: {"ingest__north_ehr": "2031-01-02T03:04:05+00:00"},
        "trigger": _refuse,
        "look": _refuse,
        "secret": b"of these tests",
    }
    return Wiring(settings, **(told | more))


def require_person(request: Request) -> Person:
    name = request.headers.get("x-person")
    if name not in PEOPLE:
        raise HTTPException(401)
    return PEOPLE[name]


def _refuse(*_: Any) -> Any:
    raise PolicyError("not in this test")


def fill(root: Path) -> Settings:
    """A lake with two deliveries, refused records of a feed and of a built table, and an act."""
    lake = lake_at(root)
    (root / "config" / "policy.yml").write_text(POLICY)
    drop(lake, FEED, "a.ndjson", [patient(), encounter(), WRONG, WRONG])
    drop(lake, FEED, "b.ndjson", [encounter("e2", status="no such")])
    run(lake.settings, lambda _: None, feeds=[FEED], tables=BUILT, clock=lambda: NOW)
    enter(lake, Act(FEED, "dismiss", "jane", "test data", Which(None, 1, 4)))
    apply(lake, lake.catalog.feeds[FEED])
    follow_all(lake)
    return settings_at(root)


@dataclass(slots=True)
class House:
    """The pages, and what they asked of Airflow."""

    settings: Settings
    started: list[tuple[str, str, Mapping[str, Any]]] = field(default_factory=list)
    looked: list[tuple[str, str, int, int]] = field(default_factory=list)
    seen: Seen = field(default_factory=lambda: Seen("names.ndjson", "{}"))
    client: TestClient = field(init=False)
    wiring: Wiring = field(init=False)

    def __post_init__(self) -> None:
        self.wiring = wiring_for(self.settings, trigger=self._trigger, look=self._look)
        self.client = TestClient(make_app(self.wiring), raise_server_exceptions=False)

    @property
    def state(self) -> State:
        return open_state(self.settings)

    def get(self, path: str, who: str = "steward") -> Any:
        return self.client.get(path, headers=_as(who), follow_redirects=False)

    def post(
        self, path: str, who: str = "steward", *, token: str | None = None, **fields: Any
    ) -> Any:
        if token is None and who in PEOPLE:
            token = form_token(self.wiring, PEOPLE[who])
        form = {"token": token or ""} | fields
        headers = _as(who) | {"content-type": "application/x-www-form-urlencoded"}
        return self.client.post(path, data=form, headers=headers, follow_redirects=False)

    def places(self) -> Mapping[str, str]:
        """A value that exists for each parameter of a route."""
        run_id = self.state.ask("select run_id from load limit 1")[0]["run_id"]
        object_id = self.state.ask("select object_id from refusal where line = 3")[0]["object_id"]
        own = {"run_id": run_id, "object_id": object_id, "sequence": "1", "line": "3"}
        return own | {"dag_id": "refine", "task_id": "silver.patient"}

    def _trigger(self, person: Person, dag_id: str, told: Mapping[str, Any]) -> str:
        self.started.append((person.name, dag_id, told))
        return f"{told['act']}__1"

    def _look(self, person: Person, table: str, sequence: int, line: int) -> Seen:
        self.looked.append((person.name, table, sequence, line))
        return self.seen


def _as(who: str) -> dict[str, str]:
    return {"x-person": who, "host": "testserver"}


NAMES: Mapping[str, str] = {
    "/feeds/{name}": FEED,
    "/tables/{name}": "silver.patient",
    "/lineage/{name}": "gold.readmission.days_to_next",
    "/quarantine/{name}": QUARANTINE,
    "/quarantine/{name}/{sequence}/{line}": QUARANTINE,
    "/quarantine/{name}/{sequence}/{line}/content": QUARANTINE,
    "/static/{name}": "theme.js",
}
"""What `name` stands for in each route that has one."""


def address(house: House, route: str) -> str:
    """A route with parameters that exist."""
    values = dict(house.places()) | {"name": NAMES.get(route, "")}
    found = route
    for name, value in values.items():
        found = found.replace(f"{{{name}}}", value)
    return found


Make = Callable[..., House]
