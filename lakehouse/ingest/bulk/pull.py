"""Pull: one bulk export of a FHIR server, from the kick-off to the feed's inbox.

HL7 FHIR Bulk Data Access IG 2.0.0. Each step is remembered before the next (progress.py). What is
asked for with `_since` is what changed after the transaction time of the export before, as the
server wrote it: its clock decides, never ours.
"""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from http import HTTPStatus
from itertools import chain, count
from urllib.parse import urlencode, urljoin

from lakehouse.catalog.spec import Export, Feed
from lakehouse.errors import LakehouseError, PolicyError, QualityError, SpecError, StoreError
from lakehouse.ingest.bulk.login import open_login
from lakehouse.ingest.bulk.parts import Allowance, Expired, Fetch, Part, count_outcomes
from lakehouse.ingest.bulk.progress import Last, Progress, Under, pulling, sync, write_whole
from lakehouse.ingest.bulk.promise import Item, Promise, read_promise
from lakehouse.ingest.bulk.wire import (
    Answer,
    OutOfTimeError,
    Patience,
    Request,
    UnreachableError,
    Wire,
)
from lakehouse.ingest.instant import read_instant
from lakehouse.ingest.manifest import tell_pull
from lakehouse.ingest.receive import Received, Wait
from lakehouse.log import get_logger
from lakehouse.settings import Settings

_MANIFEST_BYTES = 64 * 2**20
_MOST_EXPORTS = 2
_ASKING = {
    "Accept": "application/fhir+json",
    "Prefer": "respond-async",
    # a server may give the answer to the same question of an hour ago
    "Cache-Control": "no-cache",
}
_STATUS = {"Accept": "application/json"}
_REFUSED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})

log = get_logger()


def receive(settings: Settings, feed: Feed, wait: Wait, *, full: bool = False) -> Received:
    """Fetch what changed since the last export, or everything; see Pull."""
    return pull(settings, feed, Patience(wait=wait), full=full)


def pull(settings: Settings, feed: Feed, patience: Patience, *, full: bool = False) -> Received:
    """Bring one export into the feed's inbox, whole or not at all.

    Raises SpecError when the server does not do what the stanza asks for, PolicyError when it does
    not let us in, QualityError when what it sends is not what it promised, StoreError when it
    cannot be reached or takes too long. Of an export that is of no use nothing is kept, and the
    next call asks for a new one; else it goes on where this one stood.
    """
    export = feed.export or Export()
    login = open_login(settings, feed, export)
    wire = Wire(feed.name, feed.receives.removeprefix("fhir+"), patience, login)
    with pulling(settings.inbox / feed.name, feed.name) as progress:
        return Pull(feed, export, wire, progress).run(full=full)


@dataclass(frozen=True, slots=True)
class Pull:
    """One feed, its server and how far its export has come."""

    feed: Feed
    export: Export
    wire: Wire
    progress: Progress

    def run(self, *, full: bool) -> Received:
        """Go on with the export under way, or begin one, until it is in the inbox."""
        for _ in range(_MOST_EXPORTS):
            try:
                return self._go_on(self._begun(full=full))
            except Expired:
                self._cancel()
            except (OutOfTimeError, QualityError, KeyboardInterrupt):
                self._cancel()
                raise
        raise StoreError(f"{self.feed.name}: the files of {_MOST_EXPORTS} exports are gone")

    def _go_on(self, under: Under) -> Received:
        self.wire.deadline = under.began_at + self.export.within_seconds
        if under.promise is None:
            promise = self._awaited(under)
            under = replace(under, promise=promise.to_json())
            self.progress.go_on(under)
        promise = Promise.from_json(under.promise or {})
        if under.ready is None:
            under = self._fetched(under, promise)
        return self._arrived(under, promise)

    def _begun(self, *, full: bool) -> Under:
        """The export under way, if it is the one to be asked for now; else a new one."""
        asked = [self.feed.receives, self.export.of, sorted(self.export.types)]
        under, last = self.progress.under, self.progress.last
        began_at = self.wire.patience.now()
        if under and under.asked == asked and not (full and under.since):
            in_time = began_at <= under.began_at + self.export.within_seconds
            if in_time or under.ready is not None:
                return under
        self._cancel()
        self.progress.clear()
        same = last is not None and last.asked == asked
        since = last.at if last and same and not full and not self._is_full_due(last) else None
        self.wire.deadline = began_at + self.export.within_seconds
        under = Under(asked, since, began_at, self._kicked_off(since))
        self.progress.go_on(under)
        return under

    def _is_full_due(self, last: Last) -> bool:
        at, every = read_instant(last.full_at), self.export.full_seconds
        return every is not None and (
            at is None or self.wire.patience.now() - at.timestamp() > every
        )

    def _kicked_off(self, since: str | None) -> str:
        answer = self.wire.ask(Request("GET", self._question(since), _ASKING))
        self._refuse(answer, "the export")
        if answer.status != HTTPStatus.ACCEPTED:
            raise SpecError(
                f"{self.feed.name}: the FHIR server answers {answer.status} to the export",
                hint="does it do bulk exports at this address, of this kind and these types?",
            )
        place = answer.headers.get("content-location", "")
        url = urljoin(self._question(since), place)
        if not place or not self.wire.is_own(url):
            raise QualityError(f"{self.feed.name}: the FHIR server names no place to ask again")
        return url

    def _question(self, since: str | None) -> str:
        level = "" if self.export.of == "system" else f"/{self.export.of}"
        asked = {"_type": ",".join(self.export.types), "_since": since}
        query = urlencode({name: value for name, value in asked.items() if value}, safe=",")
        return f"{self.wire.base}{level}/$export" + (f"?{query}" if query else "")

    def _awaited(self, under: Under) -> Promise:
        """Ask until the export is done; what it consists of."""
        patience = self.wire.patience
        while True:
            answer = self._status(under)
            if answer.status == HTTPStatus.OK:
                promise = read_promise(self.feed.name, answer.body)
                self._refuse_promise(under, promise)
                return promise
            self.wire.require_time()
            elapsed = patience.now() - under.began_at
            patience.wait(patience.before_asking(elapsed, answer.retry_after))

    def _status(self, under: Under) -> Answer:
        try:
            request = Request("GET", under.status_url, _STATUS)
            answer = self.wire.ask(request, most_bytes=_MANIFEST_BYTES)
        except UnreachableError as error:
            if error.status == HTTPStatus.INTERNAL_SERVER_ERROR:
                # an export that failed answers so for ever
                self._cancel()
            raise
        self._refuse(answer, "the state of the export")
        if answer.status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
            raise Expired
        if answer.status not in (HTTPStatus.OK, HTTPStatus.ACCEPTED):
            raise QualityError(
                f"{self.feed.name}: the export failed at the FHIR server: status {answer.status}"
            )
        return answer

    def _refuse(self, answer: Answer, what: str) -> None:
        if answer.status in _REFUSED:
            raise PolicyError(
                f"{self.feed.name}: the FHIR server does not let us have {what}",
                hint="are client_id, key_file and scope what it registered?",
            )

    def _refuse_promise(self, under: Under, promise: Promise) -> None:
        before, at = read_instant(under.since), read_instant(promise.at)
        if before and at and at < before:
            raise QualityError(
                f"{self.feed.name}: the export is older than the one before it",
                hint="was the server set back? `lakehouse pull FEED --full` begins anew",
            )
        if under.since is None and not promise.output:
            raise QualityError(f"{self.feed.name}: a full export with nothing in it")
        if not promise.files and promise.error:
            raise QualityError(f"{self.feed.name}: an export of errors alone")

    def _fetched(self, under: Under, promise: Promise) -> Under:
        """All files fetched, proven and put together under the name they will have."""
        allowance = Allowance(self.feed.name, self.export.most_bytes)
        parts, token = self.progress.parts, promise.needs_token
        fetch = Fetch(self.wire, parts, allowance, needs_token=token)
        told = fetch.all("error", promise.error)
        paths = [parts / f"error-{place:04d}" for place in range(len(told))]
        errors, others = count_outcomes(paths)
        if errors > self.export.most_errors:
            raise QualityError(
                f"{self.feed.name}: the FHIR server reports {errors} errors of its export",
                hint="`most_errors` in its stanza is how many it may have",
            )
        if others:
            log.warning("export with remarks", feed=self.feed.name, count=others)
        under = replace(under, errors=errors)
        found = fetch.all("file", promise.files)
        records = sum(part.lines for part in found)
        if not records and under.since is None:
            raise QualityError(f"{self.feed.name}: a full export with nothing in it")
        name = self._assembled(under, promise, found) if records else ""
        under = replace(under, ready=name)
        self.progress.go_on(under)
        return under

    def _assembled(self, under: Under, promise: Promise, found: list[Part]) -> str:
        """Put the files beside their manifest, under the names it gives them; safe to repeat."""
        stem = f"export-{read_instant(promise.at):%Y%m%dT%H%M%SZ}"
        free = chain([stem], (f"{stem}-{number}" for number in count(2)))
        name = next(name for name in free if not (self.progress.inbox / name).exists())
        self.progress.ready.mkdir(mode=0o700, exist_ok=True)
        age = time.time_ns()
        names = list(_names(promise.files, found))
        for place, told in enumerate(names):
            target = self.progress.ready / told
            if not target.exists():
                (self.progress.parts / f"file-{place:04d}").rename(target)
            os.utime(target, ns=(age + place, age + place))
        # last: it vouches for what is older than it
        manifest = self.progress.ready / "manifest.json"
        write_whole(manifest, self._manifest(under, promise, found))
        # the time that a file gets by itself is up to some milliseconds behind the clock
        os.utime(manifest, ns=(age + len(names), age + len(names)))
        return name

    def _manifest(self, under: Under, promise: Promise, found: list[Part]) -> bytes:
        """The manifest as it is landed: the server's, with our file names and our counts."""
        names = list(_names(promise.files, found))
        items = [
            {"type": item.type, "url": name, "count": part.lines}
            for item, name, part in zip(promise.files, names, found, strict=True)
        ]
        told = {
            "transactionTime": promise.at,
            "request": self._question(under.since),
            "requiresAccessToken": False,
            "output": items[: len(promise.output)],
            "deleted": items[len(promise.output) :],
            "error": [],
            "extension": tell_pull(
                of=self.export.of,
                since=under.since,
                types=self.export.types,
                is_counted=all(item.count is not None for item in promise.output),
                errors=under.errors,
            ),
        }
        return json.dumps(told, indent=1).encode()

    def _arrived(self, under: Under, promise: Promise) -> Received:
        """Move the export into the inbox, in one step, and let the server forget it."""
        target = self.progress.inbox / (under.ready or "")
        sizes = [path.stat().st_size for path in self.progress.ready.glob("*")]
        if sizes:
            sync(self.progress.ready)
            self.progress.ready.rename(target)
            sync(self.progress.inbox)
        full_at = self.progress.last.full_at if under.since and self.progress.last else promise.at
        self.progress.arrive(Last(under.asked, promise.at, full_at))
        self._forget(under)
        log.info("pulled", feed=self.feed.name, files=len(sizes), bytes=sum(sizes))
        return Received(len(sizes), sum(sizes))

    def _cancel(self) -> None:
        """Let the server stop, and forget the export."""
        if under := self.progress.under:
            self._forget(under)
            self.progress.drop()

    def _forget(self, under: Under) -> None:
        """Tell the server that the export is no longer needed; whether it hears is its matter."""
        self.wire.deadline = float("inf")
        try:
            self.wire.ask(Request("DELETE", under.status_url, _STATUS), tries=1)
        except LakehouseError:
            log.info("export not cancelled", feed=self.feed.name)


def _names(items: tuple[Item, ...], found: list[Part]) -> Iterator[str]:
    for place, (item, part) in enumerate(zip(items, found, strict=True)):
        yield f"{item.type}.{place:04d}.ndjson" + (".gz" if part.is_packed else "")
