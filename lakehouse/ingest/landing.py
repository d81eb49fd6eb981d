"""Landing: what arrived is kept byte for byte, once, with a row in the ledger."""

import hashlib
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, BinaryIO, cast

import pyarrow as pa

from lakehouse.catalog.spec import Feed
from lakehouse.ingest.manifest import is_manifest, read_manifest
from lakehouse.ingest.receivers import store
from lakehouse.ingest.receivers.inbox import Claim, Inbox, claiming
from lakehouse.lineage import collect
from lakehouse.log import get_logger
from lakehouse.storage.commit import Note, committed
from lakehouse.storage.engine import engine_for
from lakehouse.storage.lake import Lake, Stored

LEDGER = "landing.ledger"
_CHUNK = 2**20
_SPOOL_BYTES = 8 * 2**20
_WRITERS = 8

log = get_logger()


@dataclass(frozen=True, slots=True)
class Landed:
    """What landing did: the ledger sequences it wrote, their bytes, and what was not a file."""

    sequences: tuple[int, ...]
    bytes: int
    refused: int
    repeated: int

    def and_then(self, more: "Landed") -> "Landed":
        """Both together."""
        return Landed(
            self.sequences + more.sequences,
            self.bytes + more.bytes,
            more.refused,  # an inbox counts on
            self.repeated + more.repeated,
        )


@dataclass(frozen=True, slots=True)
class _Arrival:
    path: Path
    name: str
    sha256: str
    bytes: int
    export_at: datetime | None


def object_key(sha256: str) -> str:
    """Where the bytes with this hash lie in the lake."""
    return f"landing/objects/{sha256[:2]}/{sha256}"


def land(lake: Lake, feed: Feed) -> Landed:
    """Land all that has settled in the inbox. Safe to kill and to run again at any moment."""
    with claiming(lake.settings, feed) as inbox:
        landed = _land_claims(lake, feed, inbox)
        while store.is_sent_to_store(feed) and (more := _land_from_store(lake, feed, inbox)):
            landed = landed.and_then(more)
        return landed


def deliver(lake: Lake, feed: Feed, paths: Iterable[Path]) -> Landed:
    """Land copies of these files and folders at once, as if a sender had written them."""
    with claiming(lake.settings, feed) as inbox:
        inbox.deliver(paths, _last_claim(lake, feed, inbox))
        return _land_claims(lake, feed, inbox)


def _land_from_store(lake: Lake, feed: Feed, inbox: Inbox) -> Landed | None:
    """Land what senders put into the store, as much as goes at once; None when nothing is left."""
    folder = inbox.fresh_folder()
    taken = store.fetch(lake.objects, feed, folder)
    if not taken:
        return None
    inbox.deliver([folder], _last_claim(lake, feed, inbox))
    landed = _land_claims(lake, feed, inbox)
    store.forget(lake.objects, feed, taken)
    return landed


def _land_claims(lake: Lake, feed: Feed, inbox: Inbox) -> Landed:
    sequences: list[int] = []
    size = repeated = 0
    last = _last_claim(lake, feed, inbox)
    for claim in inbox.claims(last):
        if claim.number > last:
            arrivals = _keep(lake, claim)
            written = _enter(lake, feed, (_mark(feed, inbox), claim.number), arrivals)
            sequences += written
            size += sum(arrival.bytes for arrival in arrivals[len(arrivals) - len(written) :])
            repeated += len(arrivals) - len(written)
        inbox.release(claim)
    if inbox.refused:
        log.warning("refused what is not a regular file", feed=feed.name, count=inbox.refused)
    log.info("landed", feed=feed.name, count=len(sequences), bytes=size)
    return Landed(tuple(sequences), size, inbox.refused, repeated)


def _keep(lake: Lake, claim: Claim) -> list[_Arrival]:
    """Make the bytes of a claim durable; a claim may be kept again, nothing is stored twice."""
    files = claim.files()
    times = _export_times(files)
    # a disk or a store makes many small files durable at once as fast as one
    with ThreadPoolExecutor(_WRITERS) as pool:
        arrivals = list(pool.map(partial(_keep_file, lake, claim, times), files))
    for arrival in arrivals:
        collect.wrote(collect.Dataset(f"landing/{arrival.sha256}", bytes=arrival.bytes))
    return arrivals


def _keep_file(lake: Lake, claim: Claim, times: Mapping[Path, datetime], path: Path) -> _Arrival:
    with SpooledTemporaryFile(_SPOOL_BYTES, dir=str(claim.folder.parent)) as spool:
        sha256, size = _snapshot(path, spool), spool.tell()
        if lake.objects.size(object_key(sha256)) != size:
            spool.seek(0)
            lake.objects.put(object_key(sha256), cast(BinaryIO, spool), size)
    name = str(path.relative_to(claim.folder))
    return _Arrival(path, name, sha256, size, times.get(path.parent))


def _mark(feed: Feed, inbox: Inbox) -> str:
    return f"land/{feed.name}/{inbox.name}"


def _last_claim(lake: Lake, feed: Feed, inbox: Inbox) -> int:
    return lake.open(LEDGER).mark(_mark(feed, inbox)) or 0


def _enter(lake: Lake, feed: Feed, work: tuple[str, int], arrivals: list[_Arrival]) -> list[int]:
    """Write a claim's ledger rows in one commit, and return their sequences; `work` is its mark."""
    name, number = work

    def attempt() -> list[int]:
        ledger = lake.open(LEDGER)
        if (ledger.mark(name) or 0) >= number:
            return []
        fresh = arrivals[_repeated(lake, ledger, feed, arrivals) :]
        first = (ledger.mark(LEDGER) or 0) + 1
        sequences = list(range(first, first + len(fresh)))
        marks = {name: number, LEDGER: first + len(fresh) - 1}
        rows = _rows(lake, ledger, feed, list(zip(sequences, fresh, strict=True)))
        ledger.append(rows, Note(marks, {"rows": len(fresh)}))
        return sequences

    return committed(attempt)


def _repeated(lake: Lake, ledger: Stored, feed: Feed, arrivals: list[_Arrival]) -> int:
    """How many leading arrivals are the very last ones of this feed and source again: no news.

    Bytes that come again after something else are news: A, B, A ends as A, whichever feed of the
    source sent B. So are bytes of which an export says anew when they were true.
    """
    with engine_for(lake) as engine:
        engine.attach(ledger.table, ledger.version)
        rows = engine.table(
            f"select feed, object_id, export_at from {LEDGER} where source = $source "
            "order by sequence desc limit $n",
            {"source": feed.source, "n": len(arrivals)},
        )
    tail = [tuple(row.values()) for row in reversed(rows.to_pylist())]
    told = [(feed.name, arrival.sha256, arrival.export_at) for arrival in arrivals]
    fits = (n for n in range(len(tail), 0, -1) if tail[-n:] == told[:n])
    return next(fits, 0)


def _rows(lake: Lake, ledger: Stored, feed: Feed, arrivals: list[tuple[int, _Arrival]]) -> pa.Table:
    now = lake.clock()
    rows = [
        {
            "feed": feed.name,
            "source": feed.source,
            "sequence": sequence,
            "file_name": arrival.name,
            "object_id": arrival.sha256,
            "bytes": arrival.bytes,
            "received_at": now,
            "export_at": arrival.export_at,
            "is_manifest": is_manifest(arrival.name),
        }
        for sequence, arrival in arrivals
    ]
    return pa.Table.from_pylist(rows, schema=ledger.schema)


def _export_times(files: Iterable[Path]) -> dict[Path, datetime]:
    """When the export in each folder was true, where a manifest in it says so."""
    told = ((path.parent, read_manifest(path)) for path in files if is_manifest(path.name))
    return {folder: found.export_at for folder, found in told if found and found.export_at}


def _open(path: Path) -> IO[bytes]:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    return os.fdopen(descriptor, "rb", buffering=_CHUNK)


def _snapshot(path: Path, spool: IO[bytes]) -> str:
    """Copy a file aside and return the hash of the copy: a sender may still hold the file open."""
    digest = hashlib.sha256()
    with _open(path) as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
            spool.write(chunk)
    return digest.hexdigest()
