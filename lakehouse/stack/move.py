"""Moves the lake from the store it lies in to another: every version of every table, what was
landed, the ledger, quarantine and lineage.

Both stores run alone, without Airflow. What is recorded of the store changes last, in one step: a
move that is killed before has changed nothing, and goes on where it stood when it is run again.
The old store's files stay.
"""

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from lakehouse.errors import SpecError, StoreError
from lakehouse.govern.follow import rebuild
from lakehouse.objects import open_objects
from lakehouse.objects.copying import Journal, copy_all
from lakehouse.settings import Credentials, Settings, read_settings
from lakehouse.stack import store
from lakehouse.stack.airflow_findings import who_is_at_work
from lakehouse.stack.component import Component
from lakehouse.stack.control import NEXT_STORE, alone, end_leftovers, supervisor_of
from lakehouse.stack.places import Places, read_json, write_json
from lakehouse.stack.ports import LOOPBACK, find
from lakehouse.stack.rights import RIGHTS
from lakehouse.stack.supervisor import Supervisor
from lakehouse.storage.lake import open_lake

Say = Callable[[str], None]
Record = Mapping[str, Any]

_ROLE = "govern"  # the one that may read and write everything
_OF_A_STORE = ("LAKEHOUSE_S3_", "LAKEHOUSE_URL", "LAKEHOUSE_STORE")


@dataclass(frozen=True, slots=True)
class Moved:
    """What was moved, and where the lake lies now."""

    objects: int
    bytes: int
    tables: int
    url: str


@dataclass(frozen=True, slots=True)
class _End:
    """One end of the move: what is recorded of the store, and its server where we start it."""

    record: Record
    server: Component | None

    @property
    def url(self) -> str:
        return str(self.record["url"])

    @property
    def credentials(self) -> Credentials | None:
        """None for a folder."""
        if not self.url.startswith("s3://"):
            return None
        pair = self.record["identities"][_ROLE]
        return Credentials(self.record["endpoint"], **pair, region=self.record["region"])


def move(settings: Settings, say: Say, source: Path | None = None) -> Moved:
    """Bring the lake from where it is recorded, or from the folder `source`, to the store that the
    settings name.

    Raises SpecError where the two are the same or the new place holds another lake, StoreError
    while the stack runs or something else is at work on the lake, and where a copy differs.
    """
    places = Places(settings.home)
    places.prepare()
    with alone(places, say):
        _require_rest(places)
        end_leftovers(places)
        before = _recorded(places, source)
        after = _planned(settings, places, before, is_given=source is not None)
        old, new = _end(settings, before, "store"), _end(settings, after, NEXT_STORE)
        journal = Journal(places.move_journal, f"{before['url']} {after['store']} {after['url']}")
        with _serving(places, [end.server for end in (old, new) if end.server]):
            say(f"copying from {old.url} to {new.url} ({after['store']})")
            copied = copy_all(
                open_objects(old.url, old.credentials),
                open_objects(new.url, new.credentials),
                RIGHTS[_ROLE].writes,
                journal,
                lambda number, of: say(f"copied {number} of {of} objects"),
            )
            say(f"{copied.objects} objects are there and were compared, {copied.bytes} bytes")
            tables = rebuild(open_lake(_seen_at(settings, new), _ROLE))
        _switch(settings, places, source is not None)
        journal.end()
    return Moved(copied.objects, copied.bytes, tables, new.url)


def _require_rest(places: Places) -> None:
    if supervisor_of(places):
        raise StoreError("the stack is running", hint="`lakehouse down`, then move")
    if busy := who_is_at_work():
        raise StoreError(
            f"the lake is being worked on: {busy}",
            hint="stop Airflow's scheduler, wait half a minute, then move",
        )


def _recorded(places: Places, source: Path | None) -> Record:
    if source is None:
        if record := read_json(places.store_record):
            return record
        raise SpecError("where does the lake lie now?", hint="name its folder: --from FOLDER")
    if not source.is_dir():
        raise SpecError(f"{source} is not a folder")
    return {"store": "folder", "url": str(source.absolute()), "endpoint": None, "identities": {}}


def _planned(settings: Settings, places: Places, before: Record, *, is_given: bool) -> Record:
    """What will be recorded; the same again for a move that goes on."""
    known = read_json(places.store_record) if is_given else before
    choice = store.chosen(settings, {} if is_given and not known else known)
    if (choice.kind, choice.url) == (before["store"], before["url"]) and _endpoint(
        choice.endpoint, before
    ):
        raise SpecError(
            f"the lake lies there already ({choice.kind}, {choice.url})",
            hint="set LAKEHOUSE_STORE or LAKEHOUSE_URL to where it shall lie",
        )
    begun = read_json(places.next_store_record)
    if not begun:
        places.move_journal.unlink(missing_ok=True)  # of a move that was killed behind its end
    if begun and (begun["store"], begun["url"]) != (choice.kind, choice.url):
        raise SpecError(
            f"a move to {begun['store']}, {begun['url']} was begun and is not finished",
            hint=f"finish it with those settings, or remove {places.next_store_record} and "
            f"{places.move_journal}",
        )
    is_same = (known.get("store"), known.get("url")) == (choice.kind, choice.url)
    identities = begun.get("identities") or (known.get("identities", {}) if is_same else {})
    fresh = store.describe(settings, choice, identities)
    write_json(places.next_store_record, fresh)
    return fresh


def _endpoint(chosen: str | None, before: Record) -> bool:
    """Whether it is the same server: an embedded one may have another port at the next start."""
    return bool(before["store"] != "external" or chosen == before["endpoint"])


def _end(settings: Settings, record: Record, name: str) -> _End:
    if record["store"] not in store.EMBEDDED:
        return _End(record, None)
    # a port of its own: two servers may run, and nobody else is to find them
    port = find()
    ports = MappingProxyType({**settings.ports, "s3": port})
    endpoint = f"http://{LOOPBACK}:{port}"
    choice = store.Choice(record["store"], record["url"], endpoint)
    server = store.component(replace(settings, ports=ports), choice, record["identities"], name)
    return _End({**record, "endpoint": endpoint}, server)


def _seen_at(settings: Settings, end: _End) -> Settings:
    """The settings of whoever works on the lake at that end now."""
    given = {
        name: value
        for name, value in settings.environment.items()
        if not name.startswith(_OF_A_STORE)
    }
    given |= {"LAKEHOUSE_HOME": str(settings.home), "LAKEHOUSE_URL": end.url}
    if keys := end.credentials:
        given |= {
            "LAKEHOUSE_S3_ENDPOINT": keys.endpoint,
            "LAKEHOUSE_S3_ACCESS_KEY": keys.access_key,
            "LAKEHOUSE_S3_SECRET_KEY": keys.secret_key,
            "LAKEHOUSE_S3_REGION": keys.region,
        }
    return read_settings(given)


def _switch(settings: Settings, places: Places, is_given: bool) -> None:
    """From here on the lake lies in the new place."""
    if is_given and "LAKEHOUSE_S3_ENDPOINT" in settings.environment:
        # a server's settings say where the lake lies, and hold its keys in files of their own
        places.next_store_record.unlink()
        return
    places.next_store_record.replace(places.store_record)
    descriptor = os.open(places.secrets, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _serving(places: Places, servers: list[Component]) -> Iterator[None]:
    """The servers run meanwhile, and nothing else of the stack."""
    if not servers:
        yield
        return
    keeper = Supervisor(places, [servers])
    thread = threading.Thread(target=keeper.run)
    thread.start()
    try:
        while (state := read_json(places.state))["phase"] == "starting" and thread.is_alive():
            thread.join(0.1)
        if state["phase"] != "running":
            raise StoreError(state["message"] or "a store did not start", hint=state["hint"])
        yield
    finally:
        keeper.stop()
        thread.join()
        places.remove_sockets()
