"""The files of an export: fetched side by side, resumed where the server can, and proven whole."""

import json
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from http import HTTPStatus
from itertools import chain
from pathlib import Path
from threading import Event, Lock
from typing import IO, NoReturn

from lakehouse.errors import PolicyError, QualityError
from lakehouse.ingest.bulk.progress import write_whole
from lakehouse.ingest.bulk.promise import Item
from lakehouse.ingest.bulk.wire import Broken, Request, Response, Wire
from lakehouse.ingest.lines import Unpacked, read_lines

AT_ONCE = 4
_CHECKPOINT_BYTES = 16 * 2**20
_HEADERS = {"Accept": "application/fhir+ndjson", "Accept-Encoding": "gzip, identity"}
_TYPES = ("ndjson", "octet-stream", "gzip")
_GONE = frozenset(
    {HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE}
)


class Expired(Exception):  # noqa: N818 (an outcome: the export is to be asked for anew)
    """A file that the manifest lists is no longer there, or its address no longer opens it."""


@dataclass(frozen=True, slots=True)
class Part:
    """What is known of a file: how much of it is durable, of how much where that is known, which
    version it is of (a strong ETag, RFC 9110 §8.8.1), and once it is whole, its records."""

    bytes: int = 0
    total: int | None = None
    etag: str | None = None
    is_whole: bool = False
    lines: int = 0
    is_packed: bool = False


@dataclass(slots=True)
class Allowance:
    """How many bytes an export may still bring, all its files together."""

    feed: str
    left: int
    _lock: Lock = field(default_factory=Lock)

    def spend(self, size: int) -> None:
        """Raises QualityError when there are too many."""
        with self._lock:
            self.left -= size
            if self.left < 0:
                raise QualityError(
                    f"{self.feed}: the export is larger than it may be",
                    hint="`most` in its stanza is the limit",
                )


class Fetch:
    """Fetches the files of one export into a folder; a killed one is called again."""

    def __init__(
        self, wire: Wire, folder: Path, allowance: Allowance, *, needs_token: bool
    ) -> None:
        self._wire = wire
        self._folder = folder
        self._allowance = allowance
        self._needs_token = needs_token
        self._stop = Event()

    def all(self, name: str, items: Sequence[Item]) -> list[Part]:
        """Each file whole, as `<name>-<place>`.

        Raises Expired when one is gone, QualityError when one is not what the server promised,
        StoreError when the server does not send one.
        """
        self._folder.mkdir(mode=0o700, exist_ok=True)
        paths = [self._folder / f"{name}-{place:04d}" for place in range(len(items))]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            try:
                return list(pool.map(self._one, items, paths))
            except BaseException:
                self._stop.set()
                pool.shutdown(cancel_futures=True)
                raise

    def _one(self, item: Item, path: Path) -> Part:
        part, attempt = read_part(path), 0
        self._allowance.spend(part.bytes)
        while part.bytes != part.total:
            before = part.bytes
            try:
                self._some(item, path, part)
            except Broken as broken:
                attempt = 0 if read_part(path).bytes > before else attempt + 1
                if self._stop.is_set() or attempt == self._wire.patience.tries:
                    raise self._wire.given_up(broken) from None
                pause = self._wire.patience.before_trying(attempt, broken.retry_after)
                self._wire.patience.sleep(pause)
            part = read_part(path)
        return part if part.is_whole else self._proven(item, path, part)

    def _some(self, item: Item, path: Path, part: Part) -> None:
        """Fetch from where the part stands, or from its beginning, to the end."""
        headers = dict(_HEADERS)
        if part.bytes and part.etag:
            headers |= {"Range": f"bytes={part.bytes}-", "If-Range": part.etag}
        request = Request("GET", item.url, headers, trusted=self._needs_token)
        with self._wire.stream(request, follow=True) as response:
            own = self._needs_token and self._wire.is_own(item.url)
            if own and response.status == HTTPStatus.FORBIDDEN:
                self._refuse_us()
            if not self._goes_on(response, path, part):
                part = self._begin(path, part, response)
            with path.open("r+b") as stream:
                stream.seek(part.bytes)
                stream.truncate()
                self._copy(response, stream, path, part)

    def _begin(self, path: Path, part: Part, response: Response | None = None) -> Part:
        """Forget what there is of a file; nothing on disk may be taken for another version."""
        self._allowance.spend(-part.bytes)
        headers = response.headers if response else {}
        length = headers.get("Content-Length", "")
        etag = headers.get("ETag", "")
        begun = Part(
            total=int(length) if length.isdecimal() else None,
            etag=etag if etag.startswith('"') else None,
        )
        write_part(path, begun)
        path.write_bytes(b"")
        return begun

    def _goes_on(self, response: Response, path: Path, part: Part) -> bool:
        """True when the answer goes on where the part stands, False when it begins anew."""
        feed, status = self._wire.feed, response.status
        if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            self._begin(path, part)
            raise Broken("it has not the rest of a file")
        if status in _GONE:
            raise Expired
        if status == HTTPStatus.UNAUTHORIZED:
            self._refuse_us()
        if status == HTTPStatus.PARTIAL_CONTENT:
            if not response.headers.get("Content-Range", "").startswith(f"bytes {part.bytes}-"):
                raise QualityError(f"{feed}: the FHIR server sends another part of a file")
        elif status != HTTPStatus.OK:
            raise QualityError(f"{feed}: the FHIR server answers {status} for a file")
        self._refuse_form(response)
        return status == HTTPStatus.PARTIAL_CONTENT

    def _refuse_us(self) -> NoReturn:
        raise PolicyError(
            f"{self._wire.feed}: the FHIR server does not let us have a file of the export"
        )

    def _refuse_form(self, response: Response) -> None:
        kind = response.headers.get("Content-Type", "").partition(";")[0]
        if not any(word in kind for word in _TYPES):
            raise QualityError(f"{self._wire.feed}: a file of the export is not sent as NDJSON")
        if response.headers.get("Content-Encoding", "identity") not in ("identity", "gzip"):
            raise QualityError(f"{self._wire.feed}: a file is packed in a way nobody asked for")

    def _copy(self, response: Response, stream: IO[bytes], path: Path, part: Part) -> None:
        try:
            for chunk in self._wire.chunks(response):
                stream.write(chunk)
                self._allowance.spend(len(chunk))
                if self._stop.is_set():
                    raise Broken("another file failed")
                if stream.tell() - part.bytes >= _CHECKPOINT_BYTES:
                    part = _checkpoint(stream, path, part)
        finally:
            part = _checkpoint(stream, path, part)
        if part.total is None:
            if not _ends_by_itself(response) and not _is_whole_gzip(path):
                self._begin(path, part)
                raise Broken("nothing proves that a file is whole")
            write_part(path, replace(part, total=part.bytes))

    def _proven(self, item: Item, path: Path, part: Part) -> Part:
        """The part with its records counted; raises QualityError for one that is not whole."""
        with path.open("rb") as stream:
            is_packed = stream.read(2) == b"\x1f\x8b"
            stream.seek(0)
            source = Unpacked(stream)
            lines, ends_whole = _count(source)
        which = f"{self._wire.feed}: file {int(path.name[-4:]) + 1} of the export"
        if source.broken:
            raise QualityError(f"{which}: {source.broken}")
        if not ends_whole:
            raise QualityError(f"{which} ends within a record")
        if item.count is not None and item.count != lines:
            raise QualityError(f"{which} has {lines} records, the manifest promises {item.count}")
        whole = replace(part, is_whole=True, lines=lines, is_packed=is_packed)
        write_part(path, whole)
        return whole


def read_part(path: Path) -> Part:
    """What is known of a file; what is on disk beyond it is not durable, and does not count."""
    try:
        return Part(**json.loads(_known(path).read_text()))
    except FileNotFoundError:
        return Part()


def write_part(path: Path, part: Part) -> None:
    """Remember what is known of a file."""
    write_whole(_known(path), json.dumps(asdict(part)).encode())


def _known(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _checkpoint(stream: IO[bytes], path: Path, part: Part) -> Part:
    stream.flush()
    os.fsync(stream.fileno())
    reached = replace(part, bytes=stream.tell())
    write_part(path, reached)
    return reached


def _ends_by_itself(response: Response) -> bool:
    """True when a lost end would have been noticed without a length."""
    return "chunked" in response.headers.get("Transfer-Encoding", "").lower()


def _is_whole_gzip(path: Path) -> bool:
    """True for a gzip with its end: the end of a connection proves nothing, this does."""
    with path.open("rb") as stream:
        is_packed = stream.read(2) == b"\x1f\x8b"
        stream.seek(0)
        source = Unpacked(stream)
        while source.chunk():
            pass
        return is_packed and not source.broken


def _count(source: Unpacked) -> tuple[int, bool]:
    """The lines that hold something, and whether the last of them ends as a record does."""
    lines, has_some, last = 0, False, b"}"
    while chunk := source.chunk():
        for place, piece in enumerate(chunk.split(b"\n")):
            if place:
                lines += has_some
                has_some = False
            if piece and not piece.isspace():
                has_some = True
        last = chunk[-4096:].rstrip()[-1:] or last
    return lines + has_some, last == b"}"


def count_outcomes(paths: Iterable[Path]) -> tuple[int, int]:
    """The errors, and all else, that the OperationOutcomes in these files tell."""
    errors = others = 0
    for path in paths:
        with path.open("rb") as stream:
            for line in chain.from_iterable(block.contents for block in read_lines(stream)):
                told = _severities(line) if line.strip() else []
                bad = sum(severity in ("fatal", "error") for severity in told)
                errors, others = errors + bad, others + len(told) - bad
    return errors, others


def _severities(line: bytes) -> list[str]:
    """What an OperationOutcome says of each issue; what cannot be read is an error."""
    try:
        issues = json.loads(line)["issue"]
        return [str(issue["severity"]) for issue in issues] or ["error"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return ["error"]
