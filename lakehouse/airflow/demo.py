"""The demo: two synthetic hospitals go through the real Airflow; then the lake is asked."""

import json
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lakehouse.airflow.api import Access, Api
from lakehouse.airflow.follow import REFINE, Wait, await_dags, follow
from lakehouse.catalog.load import Catalog
from lakehouse.catalog.spec import Feed
from lakehouse.datasets.synthetic import Population, sites_of, write_hospital
from lakehouse.errors import SpecError
from lakehouse.govern.overview import list_tables
from lakehouse.govern.question import ask
from lakehouse.ingest.receivers.inbox import waiting
from lakehouse.provenance import lineage_lines, trace_lines
from lakehouse.render import state_lines, write_rows
from lakehouse.settings import Settings
from lakehouse.storage.lake import Lake, open_lake
from lakehouse.transform.ancestry import ancestors
from lakehouse.transform.trace import trace

Say = Callable[[str], None]

_PARSE_SECONDS = 90
_STILL_SECONDS = 240
_SEED = 20261124
_WIDTH = 110
_COLUMN = "gold.readmission.days_to_next"
_GOVERN = "govern"
_TRACED = "gold.readmission"
_QUESTIONS = {
    "How often do patients come back within 30 days of a discharge?": """
        select source, count(is_readmitted) as n_index, count_if(is_readmitted) as n_readmitted,
               round(avg(is_readmitted::int), 3) as readmitted_share
        from gold.readmission group by source order by source""",
    "When was each ward fullest?": """
        select ward_id, max(n_patient) as most_patients,
               first(hour_at order by n_patient desc, hour_at) as first_at
        from gold.ward_census_hourly
        group by ward_id order by most_patients desc, ward_id limit 8""",
    "What is measured most, and where does it lie?": """
        select vital_sign, vital_sign_unit as unit, sum(n_measurement)::bigint as n_measurement,
               round(median(vital_sign_mean), 1) as median_of_days
        from gold.vital_sign_daily group by all order by n_measurement desc, vital_sign limit 6""",
}


@dataclass(frozen=True, slots=True)
class Delivery:
    """One export of both sites; `starts` tells whether we start the runs or the watchers do."""

    export: int
    about: str
    starts: bool


DELIVERIES = (
    Delivery(1, "The first export; its runs are started through Airflow's API", True),
    Delivery(2, "Corrections, late records, deletes; the watchers on the inboxes see them", False),
)


def run_demo(settings: Settings, say: Say, *, patients: int, access: Access) -> None:
    """Deliver two exports of each demo site, follow Airflow, and show what the lake holds then.

    What an earlier demo delivered is not delivered again. Raises StoreError when a run fails.
    """
    feeds = demo_feeds(Catalog.of(settings))
    api = Api.sign_in(access)
    await_dags(api, [*(feed.dag_id for feed in feeds), REFINE, _GOVERN], _PARSE_SECONDS)
    delivered = Delivered(settings)
    for delivery in DELIVERIES:
        if delivery.export in delivered.exports():
            say(f"\n{delivery.about}: done before")
            continue
        say(f"\n{delivery.about}\n")
        _bring(settings, say, api, feeds, delivery, patients)
        if delivery is DELIVERIES[-1]:
            _care(say, api)
        delivered.add(delivery.export)
    show(open_lake(settings, "read"), say)
    for line in _how_to_go_on(settings, access):
        say(line)


def demo_feeds(catalog: Catalog) -> list[Feed]:
    """The feeds of the two demo sites; raises SpecError where a hospital's own took their place."""
    names = ("north_ehr", "south_ehr")
    if not all(name in catalog.feeds for name in names):
        raise SpecError(
            "the demo needs the feeds north_ehr and south_ehr",
            hint="run it without LAKEHOUSE_CONFIG",
        )
    return [catalog.feeds[name] for name in names]


class Delivered:
    """Which exports an earlier demo brought to this lake, to the end."""

    def __init__(self, settings: Settings) -> None:
        self._path = settings.home / "demo.json"
        self._lake = settings.lake_url()

    def exports(self) -> list[int]:
        """The numbers of the exports."""
        told: dict[str, Any] = json.loads(self._path.read_text()) if self._path.is_file() else {}
        return list(told["exports"]) if told.get("lake") == self._lake else []

    def add(self, export: int) -> None:
        """Remember one more."""
        part = self._path.with_suffix(".part")
        part.write_text(json.dumps({"lake": self._lake, "exports": [*self.exports(), export]}))
        part.replace(self._path)


def _bring(
    settings: Settings, say: Say, api: Api, feeds: list[Feed], delivery: Delivery, patients: int
) -> None:
    since = datetime.now(UTC)
    for name, count in deliver(settings, feeds, patients, delivery.export).items():
        say(f"  {name}: {count} files are in its inbox")
    if delivery.starts:
        for feed in feeds:
            api.trigger(feed.dag_id)
    dag_ids = frozenset(feed.dag_id for feed in feeds)

    def is_left() -> bool:
        return any(waiting(settings, feed) for feed in feeds)

    follow(api, say, Wait(dag_ids, since, _STILL_SECONDS, is_left))


def _care(say: Say, api: Api) -> None:
    say("\nThe care of every night: small files joined, lineage moved into the lake\n")
    since = datetime.now(UTC)
    api.trigger(_GOVERN)
    follow(api, say, Wait(frozenset({_GOVERN}), since, _STILL_SECONDS))


def deliver(
    settings: Settings, feeds: Sequence[Feed], patients: int, export: int
) -> dict[str, int]:
    """Write one export of each feed's site into its inbox as a sender would: out of sight, then in
    one rename. Returns how many files each feed got; `patients` go to one site, or to several.
    """
    sites = ",".join(f"{feed.source}={feed.zone}" for feed in feeds)
    told = {}
    with TemporaryDirectory(dir=_made(settings.inbox), prefix=".hospital-") as folder:
        place = Path(folder) / "out"
        write_hospital(Population(patients, _SEED, sites_of(sites)), place, ["fhir"])
        for feed in feeds:
            written = place / "fhir" / feed.source / str(export)
            told[feed.name] = sum(path.is_file() for path in written.rglob("*"))
            seen = _made(settings.inbox / feed.name) / f"export-{export}"
            shutil.rmtree(seen, ignore_errors=True)
            written.rename(seen)
    return told


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def show(lake: Lake, say: Say) -> None:
    """Print the tables, one column's lineage, one row's origin, and three answers."""
    for title, lines in (
        ("The tables", _tables(lake)),
        (f"Where {_COLUMN} comes from", _lineage(lake)),
        (f"One row of {_TRACED}, back to the lines of the files", _origin(lake)),
    ):
        say(f"\n{title}\n")
        for line in lines:
            for part in _wrapped(line):
                say(f"  {part}")
    for question, query in _QUESTIONS.items():
        say(f"\n{question}\n")
        answer = StringIO()
        with ask(lake, query) as rows:
            write_rows(rows, "table", answer)
        for line in answer.getvalue().splitlines():
            say(f"  {line}")


def _wrapped(line: str) -> list[str]:
    depth = len(line) - len(line.lstrip())
    return textwrap.wrap(line, _WIDTH, subsequent_indent=" " * (depth + 6), break_long_words=False)


def _tables(lake: Lake) -> Iterator[str]:
    return state_lines(list_tables(lake))


def _lineage(lake: Lake) -> Iterator[str]:
    return lineage_lines(_COLUMN, ancestors(lake.catalog, _COLUMN))


def _origin(lake: Lake) -> Iterator[str]:
    key = lake.catalog.table(_TRACED).key[0]
    query = f"select {key} from {_TRACED} where is_readmitted order by {key} limit 1"  # noqa: S608 (names of ours)
    with ask(lake, query) as rows:
        (found,) = rows.read_all().column(0).to_pylist() or [None]
    if found is None:
        return
    yield from trace_lines(trace(lake, _TRACED, str(found)))
    yield f"(`lakehouse trace {_TRACED} {found}` shows it again)"


def _how_to_go_on(settings: Settings, access: Access) -> Iterator[str]:
    # a terminal forgets; a file that our output is sent to does not
    secret = access.password if sys.stdout.isatty() else f"in {access.password_file}"
    yield f"\nThe stack is up. Airflow: {access.url} as {access.user}, password {secret}\n"
    ways = [
        ('lakehouse sql "select * from gold.readmission limit 5"', "ask"),
        ("lakehouse tables, lineage TABLE[.COLUMN], quarantine", "look around"),
        (f"cp FILE {_short(settings.inbox)}/north_ehr/", "deliver; the watcher sees it"),
        ("lakehouse down", "stop; everything is kept"),
    ]
    if not shutil.which("lakehouse"):
        activate = _short(Path(sys.executable).with_name("activate"))
        ways.insert(0, (f"source {activate}", "once in each shell: finds `lakehouse`"))
    width = max(len(command) for command, _ in ways)
    for command, purpose in ways:
        yield f"  {command:<{width}}  {purpose}"


def _short(path: Path) -> str:
    """A path as one types it here."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
