"""What a server says that an export consists of (HL7 FHIR Bulk Data Access IG 2.0.0, Response:
Complete Status), and whether it may be believed."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from lakehouse.errors import QualityError
from lakehouse.ingest.instant import read_instant

_TYPE = re.compile(r"[A-Z][A-Za-z]{1,63}\Z")


@dataclass(frozen=True, slots=True)
class Item:
    """One file: what type it holds, where it is, and how many records, where the server says so."""

    type: str
    url: str
    count: int | None


@dataclass(frozen=True, slots=True)
class Promise:
    """The server's manifest. `at` is its transaction time, as it wrote it."""

    at: str
    needs_token: bool
    output: tuple[Item, ...]
    deleted: tuple[Item, ...]
    error: tuple[Item, ...]

    @property
    def files(self) -> tuple[Item, ...]:
        """All files that are landed, in their order."""
        return self.output + self.deleted

    def to_json(self) -> dict[str, Any]:
        """A form that can be kept."""
        return asdict(self)

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        """The promise that `to_json` gave."""
        parts = {p: tuple(Item(**i) for i in told[p]) for p in ("output", "deleted", "error")}
        return cls(at=told["at"], needs_token=told["needs_token"], **parts)


def read_promise(feed: str, body: bytes) -> Promise:
    """Read a manifest; raises QualityError for one that is not complete."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise QualityError(f"{feed}: the manifest of the export is not JSON")
    if read_instant(told.get("transactionTime")) is None:
        raise QualityError(f"{feed}: the manifest of the export has no transactionTime")
    if not isinstance(told.get("requiresAccessToken"), bool):
        raise QualityError(f"{feed}: the manifest does not say whether files need a token")
    if any(_is_next(link) for link in _listed(feed, told, "link", needed=False)):
        raise QualityError(f"{feed}: the manifest has further pages, which we did not ask for")
    return Promise(
        at=told["transactionTime"],
        needs_token=told["requiresAccessToken"],
        output=_items(feed, told, "output"),
        deleted=_items(feed, told, "deleted", needed=False),
        error=_items(feed, told, "error"),
    )


def _listed(feed: str, told: Mapping[str, Any], part: str, *, needed: bool) -> list[Any]:
    found = told.get(part, None if needed else [])
    if not isinstance(found, list):
        raise QualityError(f"{feed}: the manifest of the export has no list of {part} files")
    return found


def _is_next(link: Any) -> bool:
    return isinstance(link, dict) and link.get("relation") == "next"


def _items(
    feed: str, told: Mapping[str, Any], part: str, *, needed: bool = True
) -> tuple[Item, ...]:
    return tuple(_item(feed, part, item) for item in _listed(feed, told, part, needed=needed))


def _item(feed: str, part: str, told: Any) -> Item:
    told = told if isinstance(told, dict) else {}
    # only output files must name their type, and only there it counts
    kind = (
        told.get("type")
        if part == "output"
        else {"deleted": "Bundle"}.get(part, "OperationOutcome")
    )
    url, count = told.get("url"), told.get("count")
    if not isinstance(kind, str) or not _TYPE.match(kind) or not isinstance(url, str):
        raise QualityError(f"{feed}: the manifest lists an {part} file without type or address")
    if count is not None and (not isinstance(count, int) or isinstance(count, bool) or count < 0):
        raise QualityError(f"{feed}: the manifest lists an {part} file with an impossible count")
    return Item(kind, url, count)
