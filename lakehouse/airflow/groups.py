"""The groups of a person of Airflow: told by a signed-in user, or by the API server to a task.

A task knows a person by name only, and may not read Airflow's database, where FAB keeps who has
which role. The API server may: it tells whoever proves by Airflow's own secret to be a part of it.
"""

import hmac
import json
import time
import urllib.request
from collections.abc import MutableMapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from airflow.configuration import conf

from lakehouse.airflow.permit import page_secret
from lakehouse.errors import StoreError

if TYPE_CHECKING:
    from fastapi import FastAPI

PREFIX = "/lakehouse-groups"
"""Where the API server tells groups."""

_SECONDS = 30
_VALID_SECONDS = 300
_EXECUTION = "/execution"


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose groups are asked for; `proof` is good for a short time after `at`, in Unix seconds."""

    name: str
    at: int
    proof: str

    @classmethod
    def now(cls, name: str) -> "Asked":
        """The question of a part of this Airflow."""
        at = int(time.time())
        return cls(name, at, _proof(name, at))

    def is_proven(self) -> bool:
        """Whether a part of this Airflow asks, and just now."""
        is_ours = hmac.compare_digest(self.proof.encode(), _proof(self.name, self.at).encode())
        return is_ours and abs(time.time() - self.at) <= _VALID_SECONDS


class Groups:
    """The ASGI app that tells groups, made when it is first asked: every component of Airflow
    loads its plugins, only the API server answers."""

    def __init__(self) -> None:
        self._app: FastAPI | None = None

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        """Answer a request."""
        if self._app is None:
            self._app = make_app()
        await self._app(scope, receive, send)


def make_app() -> "FastAPI":
    """The app: one route, which answers 401 without the proof."""
    from fastapi import FastAPI, HTTPException

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.post("/")
    def tell(asked: Asked) -> list[str]:
        if not asked.is_proven():
            raise HTTPException(401)
        return _look_up(asked.name)

    return app


def groups_of(user: Any) -> tuple[str, ...]:
    """The roles of a user in Airflow, as its auth managers tell them: FAB has several, the simple
    one has one."""
    names = [str(getattr(role, "name", role)) for role in getattr(user, "roles", None) or ()]
    own = getattr(user, "role", None)
    return tuple([*names, str(own)] if own else names)


def ask_groups(name: str) -> tuple[str, ...]:
    """The groups of the person with this name, in a task; none where Airflow's auth manager keeps
    no list of people. Raises StoreError where the API server does not tell."""
    if _manager() == "SimpleAuthManager":
        users = [told.split(":") for told in conf.getlist("core", "simple_auth_manager_users")]
        return tuple(told[1] for told in users if told[0] == name)
    return _ask(name) if _manager() == "FabAuthManager" else ()


def _manager() -> str:
    return conf.get_mandatory_value("core", "auth_manager").rpartition(".")[2]


def _ask(name: str) -> tuple[str, ...]:
    base = conf.get("api", "base_url", fallback=None) or "http://localhost:8080"
    own = base.rstrip("/") + _EXECUTION
    address = conf.get("core", "execution_api_server_url", fallback=None) or own
    place = address.rstrip("/").removesuffix(_EXECUTION) + f"{PREFIX}/"
    body, headers = json.dumps(asdict(Asked.now(name))), {"Content-Type": "application/json"}
    request = urllib.request.Request(place, body.encode(), headers)  # noqa: S310 (Airflow's own)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=_SECONDS) as answer:
            return tuple(map(str, json.load(answer)))
    except (OSError, ValueError) as error:
        told = getattr(error, "code", type(error).__name__)
        raise StoreError(
            f"Airflow's API server does not tell anybody's groups: {told}",
            hint="its parts need one [api] secret_key and clocks that agree",
        ) from None


def _look_up(name: str) -> list[str]:
    """What FAB's tables say of a person who may sign in."""
    if _manager() != "FabAuthManager":
        return []
    from airflow.providers.fab.auth_manager.models import User
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        found = session.scalar(select(User).where(User.username == name, User.active.is_(True)))
        return sorted(groups_of(found)) if found else []


def _proof(name: str, at: int) -> str:
    said = json.dumps(["groups", name, at])
    return hmac.new(page_secret(), said.encode(), "sha256").hexdigest()
