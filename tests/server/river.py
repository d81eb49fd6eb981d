"""The way of the data on a server: deliveries through its Airflow, and what its tables then hold."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

from lakehouse.airflow.api import Api
from lakehouse.airflow.follow import REFINE, await_dags
from lakehouse.datasets.synthetic import Population, sites_of, write_hospital
from lakehouse.errors import StoreError
from lakehouse.govern.maintain import stored_names
from lakehouse.settings import PROJECT, Settings
from lakehouse.stack.ports import find
from lakehouse.storage.engine import Engine
from lakehouse.storage.lake import Lake, open_lake
from tests import workbench
from tests.server.engine import Server, commands, until

PAGE = (PROJECT / "docs" / "server.md").read_text()
BUILD, INIT, UP, SHOW, DELIVER, TABLES, ASK, DOWN, UP_AGAIN = commands(PAGE)
OPERATE = (PROJECT / "docs" / "operate.md").read_text()
FEED, ZONE = "north_ehr", "America/New_York"
INGEST = f"ingest__{FEED}"
# a hospital's own declaration, in place of the demo's
FEEDS = f"""
[feed.{FEED}]
about = "A site whose files trickle in"
source = "north"
reads = "fhir"
zone = "{ZONE}"
owner = "tests"
settle = "0 seconds"
"""
LAYERS = ("bronze", "silver", "gold", "quarantine")
PATIENTS = 20
PATIENCE_SECONDS = 900


def configured(folder: Path) -> Path:
    """The folder of the hospital's own declarations."""
    config = folder / "config"
    config.mkdir(parents=True)
    (config / "feeds.toml").write_text(FEEDS)
    return config


@contextmanager
def prepared(folder: Path, settings: Mapping[str, str] = MappingProxyType({})) -> Iterator[Server]:
    """A server whose secrets are there; it is gone in the end with all that it held."""
    own = {"LAKEHOUSE_CONFIG": str(configured(folder))}
    made = Server(folder, find(), own | settings)
    made.shell("docker compose down --volumes --remove-orphans")
    try:
        made.shell(INIT)
        yield made
    finally:
        made.shell("docker compose down --volumes --remove-orphans")


@dataclass(frozen=True)
class Person:
    """Somebody who signs in to the server's Airflow."""

    server: Server
    user: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

    @property
    def password_file(self) -> Path:
        return self.server.secrets / f"airflow_{self.user}_password"

    @property
    def password(self) -> str:
        return self.password_file.read_text()


def export(folder: Path, number: int) -> Path:
    """The folder of one of a site's exports, which are written together."""
    place = folder / "hospital"
    if not place.exists():
        write_hospital(Population(PATIENTS, 7, sites_of(f"north={ZONE}")), place, ["fhir"])
    return place / "fhir" / "north" / str(number)


def trickle(folder: Path, number: int) -> Path:
    """A folder with one file: a patient with a stay and a pulse, one of an earlier file corrected,
    and a line that is no record."""
    who, day = f"p{number}", workbench.day
    earlier = [workbench.patient("p0", day(2 + number), gender="male")] if number else []
    records = [workbench.patient(who, day(1)), *earlier]
    records += [workbench.encounter(f"e{number}", day(1), who=who)]
    records += [workbench.pulse(f"o{number}", day(1), who=who)]
    place = folder / "trickle" / str(number)
    place.mkdir(parents=True)
    (place / "records.ndjson").write_bytes(workbench.lines(records) + b"{broken\n")
    return place


@dataclass(frozen=True)
class Workstation:
    """A lake in a folder, which one process fills, one delivery after the other."""

    root: Path
    settings: Settings = field(init=False)

    def __post_init__(self) -> None:
        configured(self.root)
        object.__setattr__(self, "settings", workbench.settings_at(self.root))

    @property
    def lake(self) -> Lake:
        return open_lake(self.settings, "govern")

    def take(self, delivery: Path) -> None:
        """Load a delivery."""
        to = self.settings.inbox / FEED / f"{delivery.parent.name}-{delivery.name}"
        shutil.copytree(delivery, to)
        workbench.ingest(self.lake, FEED)

    def contents(self) -> dict[str, str]:
        """What its tables hold, once all are built."""
        workbench.build_all(self.lake)
        return _contents(self.lake)

    def move_to(self, url: str) -> None:
        """Carry the lake to another place with the command line, as the documentation says."""
        given = {**self.settings.environment, "LAKEHOUSE_URL": url}
        words = (Path(sys.executable).with_name("lakehouse"), "move", "--from", self.root / "lake")
        done = subprocess.run(words, env=given, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def versions(lake: Lake) -> dict[str, int]:
    """At which version each table is."""
    return {name: lake.open(name).version for name in _names(lake)}


def _names(lake: Lake) -> list[str]:
    return [name for name in stored_names(lake) if name.split(".")[0] in LAYERS]


def _contents(lake: Lake) -> dict[str, str]:
    """The number of rows of each table that has any, and the sum of their hashes. Left out is when
    and in which batch a record came, which for one without a time of its own is its version's."""
    found = {}
    with Engine(lake, threads=1) as engine:
        for name in _names(lake):
            stored = lake.open(name)
            engine.attach(stored.table, stored.version)
            columns = [c for c in stored.table.columns if c[0] != "_" and c != "version_at"]
            hashed = f"sum(hash({', '.join(columns)}))::varchar"
            (row,) = engine.table(f"select count(*) as n, {hashed} as s from {name}").to_pylist()
            found[name] = f"{row['n']} rows {row['s']}"
    return workbench.without_empty(found)


@dataclass
class River:
    """A server's Airflow, from when somebody began to deliver."""

    server: Server
    api: Api = field(init=False)
    since: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.api = Api.sign_in(Person(self.server, "admin"))
        await_dags(self.api, [INGEST, REFINE], PATIENCE_SECONDS)
        self.since = datetime.now(UTC)

    def deliver(self, delivery: Path) -> None:
        """Deliver as the documentation says."""
        self.server.shell(DELIVER.replace("-C export", f"-C {delivery}"))

    def await_work(self) -> None:
        """Wait until a task runs."""

        until(lambda: self._learns(self._is_at_work), PATIENCE_SECONDS, "a task runs")

    def await_contents(self, whole: Mapping[str, str]) -> None:
        """Wait until all has come to rest and the tables hold this."""
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            until(lambda: self._learns(self._is_at_rest), PATIENCE_SECONDS, "all comes to rest")
            found = contents(self.server)
            # at rest, it may be that the watcher has not looked yet
            if found == whole or time.monotonic() > end:
                break
            time.sleep(1)
        assert found == whole

    def _is_at_work(self) -> bool:
        return any(task.state == "running" for task in self.api.tasks(self.since))

    def _is_at_rest(self) -> bool:
        is_called = self.api.is_called(REFINE)
        return not is_called and all(run.is_over for run in self.api.runs(self.since))

    def _learns(self, question: Callable[[], bool]) -> bool:
        """Whether it is so; not, while Airflow does not answer because somebody killed it."""
        try:
            return question()
        except StoreError:
            return False


def lake_of(server: Server) -> Lake:
    """The server's lake as this machine sees it, which is in all of its networks."""
    settings = workbench.settings_at(
        server.folder,
        LAKEHOUSE_URL="s3://lake",
        LAKEHOUSE_S3_ENDPOINT=f"http://{server.address('minio')}:9000",
        LAKEHOUSE_S3_GOVERN_ACCESS_KEY="govern",
        LAKEHOUSE_S3_GOVERN_SECRET_KEY_FILE=str(server.secrets / "s3_govern_secret_key"),
    )
    return open_lake(settings, "govern")


def contents(server: Server) -> dict[str, str]:
    """A hash over all rows of each of the server's tables that has any."""
    return _contents(lake_of(server))
