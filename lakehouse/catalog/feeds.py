"""Reads feeds.toml: one stanza is one feed. Refuses what is wrong, and names the stanza."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import fields
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from lakehouse.catalog.expectation import Expectation, parse_expectation
from lakehouse.catalog.spec import QUARANTINE_COLUMNS, Export, Feed, Table, Write
from lakehouse.errors import SpecError

_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
_DURATION = re.compile(r"(\d+)\s*(second|minute|hour|day)s?\Z")
_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_PARSED = ("settle", "export", "expect", "most_refused")
_SIZE = re.compile(r"(\d+)\s*(MiB|GiB|TiB)\Z")
_BYTES = {"MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_LEVEL = re.compile(r"(system|Patient|Group/[A-Za-z0-9\-.]{1,64})\Z")
_TYPE = re.compile(r"[A-Z][A-Za-z]{1,63}\Z")
_FEED_KEYS = {f.name for f in fields(Feed)} - {"name", "settle_seconds", "batch_bytes"} | {"settle"}
_EXPORT_KEYS = frozenset(
    {"of", "types", "client_id", "key_file", "scope", "full_every", "within", "most", "most_errors"}
)


def read_feeds(path: Path) -> dict[str, Feed]:
    """Read feeds.toml; raises SpecError naming the stanza that is wrong."""
    try:
        told = tomllib.loads(path.read_text()).get("feed", {})
    except (tomllib.TOMLDecodeError, OSError) as error:
        raise SpecError(f"{path.name} cannot be read: {error}") from None
    return dict(_feeds(path, told))


def is_loopback(host: str | None) -> bool:
    """True for a host that is this machine by its own word."""
    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:
        return False


def _feeds(path: Path, told: Mapping[str, Any]) -> Iterator[tuple[str, Feed]]:
    for name, stanza in told.items():
        where = f"{path.name}: [feed.{name}]"
        if not _NAME.match(name):
            raise SpecError(f"{where} is not a name", hint="use lower case, digits and _")
        unknown = stanza.keys() - _FEED_KEYS
        missing = {"about", "source", "reads", "zone", "owner"} - stanza.keys()
        if unknown or missing:
            raise SpecError(f"{where} unknown {sorted(unknown)}, missing {sorted(missing)}")
        if not _NAME.match(str(stanza["source"])):
            raise SpecError(f"{where} source is not a name", hint="use lower case, digits and _")
        try:
            ZoneInfo(stanza["zone"])
        except (ZoneInfoNotFoundError, ValueError):
            raise SpecError(f"{where} has an unknown time zone") from None
        yield (
            name,
            Feed(
                name=name,
                **{key: value for key, value in stanza.items() if key not in _PARSED},
                settle_seconds=_seconds(f"{where} settle", stanza.get("settle", "30 seconds")),
                export=_export(where, stanza),
                expect=_expectation(where, stanza),
                most_refused=_share(f"{where} most_refused", stanza.get("most_refused")),
            ),
        )


def _expectation(where: str, stanza: Mapping[str, Any]) -> Expectation | None:
    if "expect" not in stanza:
        return None
    try:
        return parse_expectation(str(stanza["expect"]), stanza["zone"])
    except SpecError as error:
        raise SpecError(f"{where} expect: {error.message}") from None


def _export(where: str, stanza: Mapping[str, Any]) -> Export | None:
    """What the stanza asks of a FHIR server; None for a feed whose senders come by themselves."""
    receives, told = str(stanza.get("receives", "inbox:")), stanza.get("export", {})
    if not receives.startswith("fhir+"):
        if told:
            raise SpecError(f"{where} has an export, but receives from no FHIR server")
        return None
    _refuse_address(where, urlsplit(receives.removeprefix("fhir+")))
    if "every" not in stanza:
        raise SpecError(f"{where} pulls, but never", hint='say when: every = "0 * * * *"')
    unknown = told.keys() - _EXPORT_KEYS
    if unknown:
        raise SpecError(f"{where} export: unknown {sorted(unknown)}")
    if ("client_id" in told) != ("key_file" in told):
        raise SpecError(f"{where} export: client_id and key_file go together")
    return _parsed(f"{where} export:", told)


def _refuse_address(where: str, place: SplitResult) -> None:
    if place.scheme not in ("http", "https") or not place.hostname or place.query or place.fragment:
        raise SpecError(f"{where} receives is not a server", hint="fhir+https://ehr.example/fhir")
    if place.username is not None or place.password is not None:
        raise SpecError(f"{where} receives holds a name or password", hint="use client_id")
    if place.scheme == "http" and not is_loopback(place.hostname):
        raise SpecError(
            f"{where} receives in the clear from another host", hint="use fhir+https://"
        )


def _parsed(where: str, told: Mapping[str, Any]) -> Export:
    of, types = str(told.get("of", "system")), tuple(map(str, told.get("types", ())))
    if not _LEVEL.match(of):
        raise SpecError(f"{where} of is `system`, `Patient` or `Group/<id>`")
    if not isinstance(told.get("types", []), list) or not all(map(_TYPE.match, types)):
        raise SpecError(f"{where} types is not a list of resource types")
    full, errors = told.get("full_every"), told.get("most_errors", 0)
    if not isinstance(errors, int) or errors < 0:
        raise SpecError(f"{where} most_errors is not a number")
    return Export(
        of=of,
        types=types,
        client_id=told.get("client_id"),
        key_file=told.get("key_file"),
        scope=str(told.get("scope", "system/*.read")),
        full_seconds=None if full is None else _seconds(f"{where} full_every", full),
        within_seconds=_seconds(f"{where} within", told.get("within", "12 hours")),
        most_bytes=_size(f"{where} most", told.get("most", "256 GiB")),
        most_errors=errors,
    )


def _share(where: str, told: Any) -> float | None:
    if told is None:
        return None
    if isinstance(told, bool) or not isinstance(told, int | float) or not 0 <= told < 1:
        raise SpecError(f"{where} is not a share", hint="write it like 0.05")
    return float(told)


def _seconds(where: str, text: Any) -> int:
    match = _DURATION.match(str(text))
    if not match:
        raise SpecError(f"{where} is not a duration", hint="write it like '30 seconds'")
    return int(match[1]) * _SECONDS[match[2]]


def _size(where: str, text: Any) -> int:
    match = _SIZE.match(str(text))
    if not match:
        raise SpecError(f"{where} is not a size", hint="write it like '256 GiB'")
    return int(match[1]) * _BYTES[match[2]]


def quarantine_of(feed: Feed) -> Table:
    """The table where what a feed sent and could not be read waits."""
    return Table(
        name=feed.quarantine,
        about=f"Records of {feed.name} that could not be read, as they came, with the reason.",
        owner=feed.owner,
        keep="30 days",
        write=Write.APPEND,
        path="feeds.toml",
        key=("_sequence", "_line"),
        columns=QUARANTINE_COLUMNS,
    )
