"""Airflow's REST API, as far as we drive and follow runs with it."""

import json
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, Self

from lakehouse.errors import PolicyError, StoreError

_SECONDS = 30
_MOST = 100
_ENDED = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})


class Access(Protocol):
    """Where Airflow answers, and as whom to come."""

    @property
    def url(self) -> str:
        """The address without a slash at its end."""

    @property
    def user(self) -> str:
        """The name to sign in with."""

    @property
    def password(self) -> str:
        """The password of that name."""

    @property
    def password_file(self) -> Path:
        """Where a person finds it."""


@dataclass(frozen=True, slots=True)
class Run:
    """One DAG run."""

    dag_id: str
    run_id: str
    state: str
    started_at: datetime | None

    @property
    def is_over(self) -> bool:
        """True when nothing of it will run any more."""
        return self.state in _ENDED

    def has_begun(self, since: datetime) -> bool:
        """True when it began then or later."""
        return self.started_at is not None and self.started_at >= since


@dataclass(frozen=True, slots=True)
class Task:
    """One task instance; `number` tells the instances of a mapped task apart."""

    dag_id: str
    run_id: str
    task_id: str
    number: int
    state: str
    started_at: datetime | None
    ended_at: datetime | None

    @property
    def name(self) -> str:
        """The task as it is written in Airflow's pages."""
        return self.task_id + (f"[{self.number}]" if self.number >= 0 else "")

    @property
    def is_over(self) -> bool:
        """True when it will not run again."""
        return self.state in _ENDED

    @property
    def seconds(self) -> float:
        """How long it ran."""
        if self.started_at is None or self.ended_at is None:
            return 0.0
        return (self.ended_at - self.started_at).total_seconds()


@dataclass(slots=True)
class Api:
    """A signed-in session; every question raises StoreError when Airflow does not answer."""

    url: str
    _token: str = field(default="", repr=False)

    @classmethod
    def sign_in(cls, access: Access) -> Self:
        """Ask for a token; raises PolicyError when the name or the password is wrong."""
        api = cls(access.url)
        told = {"username": access.user, "password": access.password}
        api._token = api._ask("POST", "/auth/token", told)["access_token"]
        return api

    def knows(self, dag_id: str) -> bool:
        """True when the DAG has been parsed and may run."""
        try:
            told = self._ask("GET", f"/api/v2/dags/{dag_id}")
        except _NotFoundError:
            return False
        return not told["is_paused"]

    def trigger(self, dag_id: str) -> str:
        """Start a run; its id."""
        return str(
            self._ask("POST", f"/api/v2/dags/{dag_id}/dagRuns", {"logical_date": None})[
                "dag_run_id"
            ]
        )

    def runs(self, since: datetime) -> list[Run]:
        """Of the newest runs of all DAGs those that began since then or are not over."""
        path = f"/api/v2/dags/~/dagRuns?order_by=-run_after&limit={_MOST}"
        found = [
            Run(told["dag_id"], told["dag_run_id"], str(told["state"]), _time(told["start_date"]))
            for told in self._ask("GET", path)["dag_runs"]
        ]
        return [run for run in found if not run.is_over or run.has_begun(since)]

    def tasks(self, since: datetime) -> list[Task]:
        """The task instances of all DAGs that began since then."""
        path = "/api/v2/dags/~/dagRuns/~/taskInstances"
        found = self._pages(path, "task_instances", {"start_date_gte": since.isoformat()})
        return [
            Task(
                told["dag_id"],
                told["dag_run_id"],
                told["task_id"],
                told["map_index"],
                str(told["state"]),
                _time(told["start_date"]),
                _time(told["end_date"]),
            )
            for told in found
            if told["start_date"]  # the filter lets through what never began
        ]

    def is_called(self, dag_id: str) -> bool:
        """True when assets have changed for which a run of the DAG is still to come."""
        try:
            told = self._ask("GET", f"/api/v2/dags/{dag_id}/assets/queuedEvents")
        except _NotFoundError:
            return False
        return bool(told["queued_events"])

    def _pages(self, path: str, name: str, wanted: dict[str, str]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        total = 1
        while len(found) < total:
            query = urllib.parse.urlencode(wanted | {"limit": _MOST, "offset": len(found)})
            answer = self._ask("GET", f"{path}?{query}")
            total = answer["total_entries"] if answer[name] else 0
            found += answer[name]
        return found

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        headers = {"Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)  # noqa: S310 (loopback http)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=_SECONDS) as answer:
                return dict(json.load(answer))
        except urllib.error.HTTPError as error:
            raise _failure(error.code, path) from None
        except (urllib.error.URLError, OSError, ValueError) as error:
            raise StoreError(
                f"Airflow does not answer at {self.url}: {type(error).__name__}",
                hint="`lakehouse status` tells which part is down",
            ) from None


class _NotFoundError(StoreError):
    """Airflow knows nothing of that name."""


def _failure(code: int, path: str) -> PolicyError | StoreError:
    place = path.partition("?")[0]
    if code in {401, 403}:
        return PolicyError(f"Airflow refused {place} with {code}")
    if code == 404:  # noqa: PLR2004 (the HTTP code says it)
        return _NotFoundError(f"Airflow has no {place}")
    return StoreError(f"Airflow answered {place} with {code}")


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
