"""The way of the data on a server: a site's exports through its Airflow, and the tables' contents."""

import hashlib
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

from lakehouse.airflow.api import Api
from lakehouse.airflow.follow import Wait, follow
from lakehouse.datasets.synthetic import Population, sites_of, write_hospital
from lakehouse.settings import PROJECT
from lakehouse.stack.ports import find
from tests.server.engine import Server, commands, daemon

BUILD, INIT, UP, SHOW, DELIVER, TABLES, ASK, DOWN, UP_AGAIN = commands(
    (PROJECT / "docs" / "server.md").read_text()
)
FEED, ZONE = "north_ehr", "America/New_York"
INGEST = f"ingest__{FEED}"
COMPARED = (
    "silver.patient",
    "silver.encounter",
    "gold.readmission",
    "gold.vital_sign_daily",
    "gold.ward_census_hourly",
)
# all but where a row's record stands: in which order files were delivered is the sender's
ROWS = "select columns(c -> c[1] <> chr(95)) from {} order by all"
PATIENTS = 20
RIVER_SECONDS = 600


@contextmanager
def brought_up(
    folder: Path, settings: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Server]:
    """A server, built and brought up as the documentation says; it is gone with all that it held."""
    with daemon() as address:
        made = Server(address, folder, find(), settings)
        made.shell("docker compose down --volumes --remove-orphans")
        try:
            for command in (BUILD, INIT, UP):
                made.shell(command)
            made.await_health()
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


def write_export(folder: Path, export: int) -> Path:
    """The folder of one of a site's exports, which are written together."""
    place = folder / "hospital"
    if not place.exists():
        write_hospital(Population(PATIENTS, 7, sites_of(f"north={ZONE}")), place, ["fhir"])
    return place / "fhir" / "north" / str(export)


def bring(server: Server, export: int, *, starts: bool) -> None:
    """Deliver an export, and follow Airflow until all has come to rest; the watcher starts the
    run, or we do, through the API."""
    since = datetime.now(UTC)
    server.shell(DELIVER.replace("-C export", f"-C {write_export(server.folder, export)}"))
    api = Api.sign_in(Person(server, "admin"))
    if starts:
        api.trigger(INGEST)
    follow(api, lambda _: None, Wait(frozenset({INGEST}), since, RIVER_SECONDS))


def contents(server: Server) -> dict[str, str]:
    """A hash over all rows of each compared table."""
    told = server.shell(
        "docker compose exec -T airflow-scheduler sh -euc "
        f"'for t in {' '.join(COMPARED)}; do "
        f'lakehouse sql "{ROWS.format("$t")}" --format csv | sha256sum; done\''
    )
    return dict(zip(COMPARED, (line.split()[0] for line in told.splitlines()), strict=True))


def in_folder(folder: Path, *words: str, **more: str) -> bytes:
    """What the command line says of a lake in a folder."""
    environment = {"LAKEHOUSE_HOME": str(folder / "home"), "LAKEHOUSE_URL": str(folder / "lake")}
    program = Path(sys.executable).with_name("lakehouse")
    done = subprocess.run(
        (program, *words), env=environment | more, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def hashes(folder: Path, **more: str) -> dict[str, str]:
    """A hash over all rows of each compared table of a lake in a folder."""
    return {
        name: hashlib.sha256(
            in_folder(folder, "sql", ROWS.format(name), "--format", "csv", **more)
        ).hexdigest()
        for name in COMPARED
    }


def undisturbed(folder: Path, exports: int) -> dict[str, str]:
    """The same of a lake in a folder, that one process made."""
    for export in range(1, exports + 1):
        in_folder(folder, "land", FEED, str(write_export(folder, export)))
        in_folder(folder, "run")
    return hashes(folder)
