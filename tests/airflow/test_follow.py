"""Following the real Airflow: what is told, when it is over, and what is said when it is not."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import Any

import pytest

from lakehouse.airflow.api import Api, Run, Task
from lakehouse.airflow.follow import Progress, is_at_rest, require_success
from lakehouse.errors import PolicyError, StoreError

START = datetime(2026, 1, 1, tzinfo=UTC)
WANTED = frozenset({"ingest__a", "ingest__b"})


def run(line: str) -> Run:
    """`dag state second`: a run that began so many seconds in."""
    dag_id, state, second = line.split()
    return Run(dag_id, "r1", state, START + timedelta(seconds=int(second)))


def loaded(second: int, state: str = "success") -> Task:
    ended = START + timedelta(seconds=second)
    return Task("ingest__a", "r1", "load", 0, state, START, ended)


@pytest.mark.parametrize(
    ("runs", "tasks", "rests"),
    [
        # nothing was new: no refine is needed
        (["ingest__a success 1", "ingest__b success 1"], [], True),
        # one feed has not run yet
        (["ingest__a success 1"], [], False),
        # one is still running
        (["ingest__a success 1", "ingest__b running 1"], [], False),
        # rows were loaded, and refine has not begun
        (["ingest__a success 1", "ingest__b success 1"], [loaded(5)], False),
        # refine began before the last rows were there
        (
            ["ingest__a success 1", "ingest__b success 1", "refine success 4"],
            [loaded(3), loaded(5)],
            False,
        ),
        # and behind them
        (["ingest__a success 1", "ingest__b success 1", "refine success 6"], [loaded(5)], True),
        # behind them, and not done
        (["ingest__a success 1", "ingest__b success 1", "refine running 6"], [loaded(5)], False),
        # a load that was skipped brought nothing
        (["ingest__a success 1", "ingest__b success 1"], [loaded(5, "skipped")], True),
    ],
)
def test_the_river_rests_when_refine_began_behind_the_last_load(
    runs: list[str], tasks: list[Task], rests: bool
) -> None:
    assert is_at_rest(WANTED, [run(line) for line in runs], tasks) is rests


def test_a_failed_run_names_the_tasks_and_where_to_read_on() -> None:
    failed = Task("refine", "r1", "gold.doomed", -1, "failed", START, START)
    with pytest.raises(StoreError, match=r"1 runs failed, at refine\.gold\.doomed") as caught:
        require_success("http://here", [run("refine failed 1")], [failed, loaded(1)])
    assert "http://here/dags/refine" in caught.value.hint


def test_each_task_is_told_once_when_it_is_over_and_a_mapped_one_by_its_number() -> None:
    said: list[str] = []
    progress = Progress(said.append)
    progress.show([loaded(2, "running")])
    progress.show([loaded(2)])
    progress.show([loaded(2)])
    (line,) = said
    assert line.split() == ["ingest__a", "load[0]", "success", "2.0", "s"]


RUNS = [
    ("d0", "success", START - timedelta(seconds=1)),
    ("d1", "success", START),
    ("d2", "queued", None),
    ("d3", "running", START - timedelta(hours=1)),
]


class _Airflow(BaseHTTPRequestHandler):
    """Answers as Airflow's API does to one user, its task instances in pages of two."""

    def log_message(self, *_: Any) -> None:
        return

    def do_POST(self) -> None:
        told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        good = told == {"username": "ada", "password": "secret"}
        self._answer(201 if good else 401, {"access_token": "t0ken"})

    def do_GET(self) -> None:
        if self.headers["Authorization"] != "Bearer t0ken":
            self._answer(403, {})
        elif "taskInstances" in self.path:
            offset = int(self.path.rpartition("offset=")[2])
            page = [self._task(number) for number in range(6)][offset : offset + 2]
            self._answer(200, {"task_instances": page, "total_entries": 6})
        elif "dagRuns" in self.path:
            self._answer(200, {"dag_runs": [self._run(*told) for told in RUNS]})
        elif self.path.endswith("/broken"):
            self._answer(500, {})
        elif self.path.endswith("/paused"):
            self._answer(200, {"is_paused": True})
        else:
            self._answer(404, {})

    def _run(self, dag_id: str, state: str, start: datetime | None) -> dict[str, Any]:
        begun = start.isoformat() if start else None
        return {"dag_id": dag_id, "dag_run_id": "r", "state": state, "start_date": begun}

    def _task(self, number: int) -> dict[str, Any]:
        told = self._run("d1", "success", START)
        never = {"start_date": None} if number == 5 else {}
        return told | never | {"task_id": "load", "map_index": number, "end_date": None}

    def _answer(self, code: int, body: dict[str, Any]) -> None:
        self.send_response(code)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())


@pytest.fixture
def url() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Airflow)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def access(url: str, password: str = "secret") -> Any:
    return SimpleNamespace(url=url, user="ada", password=password, password_file="nowhere")


def test_all_pages_of_an_answer_are_read_and_what_never_began_is_left_out(url: str) -> None:
    api = Api.sign_in(access(url))
    assert [found.number for found in api.tasks(START)] == [0, 1, 2, 3, 4]


def test_runs_that_began_in_time_and_runs_that_are_not_over_are_seen(url: str) -> None:
    api = Api.sign_in(access(url))
    assert [found.dag_id for found in api.runs(START)] == ["d1", "d2", "d3"]


def test_a_wrong_password_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(PolicyError, match="401") as caught:
        Api.sign_in(access(url, "wrong-Password"))
    assert "wrong-Password" not in str(caught.value)


def test_a_dag_that_is_unknown_or_paused_is_not_ready(url: str) -> None:
    api = Api.sign_in(access(url))
    assert not api.knows("unknown")
    assert not api.knows("paused")
    with pytest.raises(StoreError, match="500"):
        api.knows("broken")


def test_an_airflow_that_is_down_is_an_error_with_a_cure() -> None:
    with pytest.raises(StoreError, match="does not answer") as caught:
        Api.sign_in(access("http://127.0.0.1:9"))
    assert "lakehouse status" in caught.value.hint


def test_a_token_is_not_shown_by_accident(url: str) -> None:
    assert "t0ken" not in repr(Api.sign_in(access(url)))
