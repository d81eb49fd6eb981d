"""FHIR Bundles taken apart (FHIR R4, Bundle), each entry's text as it was sent.

References between entries by `urn:uuid:` or `urn:oid:` become `Type/id` (§2.36.4.1, resolving
references in Bundles): outside of the Bundle they would point nowhere.
"""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import msgspec
import orjson

from lakehouse.ingest.json_text import Refusal, parse, reduce

ID = re.compile(r"[^/|?#\s]{1,255}\Z")
"""An id of a resource; wider than FHIR's, because a record with an odd id is a record."""

TYPE = re.compile(r"[A-Z][A-Za-z]{1,63}\Z")
_DELETED = re.compile(r"(?:^|/)([A-Z][A-Za-z]{1,63})/([^/|?#\s]{1,255})\Z")
_URN = re.compile(rb'("reference"\s*:\s*")(urn:(?:uuid|oid):[^"\\]+)(")')
_OUTCOME = "OperationOutcome"


class Deletion(NamedTuple):
    """An entry that deletes a resource at its source."""

    resource_type: str
    resource_id: str
    text: bytes


class _Request(msgspec.Struct):
    method: str = ""
    url: str = ""


class _Head(msgspec.Struct):
    resourceType: str = ""  # noqa: N815 (FHIR's name)
    id: str | None = None


class _Entry(msgspec.Struct):
    fullUrl: str = ""  # noqa: N815 (FHIR's name)
    resource: msgspec.Raw = msgspec.Raw(b"")
    request: _Request | None = None


class _Bundle(msgspec.Struct):
    entry: list[msgspec.Raw] = []


_bundle = msgspec.json.Decoder(_Bundle)
_entry = msgspec.json.Decoder(_Entry)
_head = msgspec.json.Decoder(_Head)


def split(text: bytes) -> Iterator[bytes | Deletion]:
    """The resources of a Bundle as texts, and its deletions, in their order.

    Raises Refusal for a Bundle without entries, and where any entry cannot be read: what came
    together is taken together.
    """
    try:
        parts = _bundle.decode(text).entry
        entries = [_entry.decode(part) for part in parts]
        heads = [_head.decode(found) if (found := entry.resource) else None for entry in entries]
    except msgspec.DecodeError:
        raise Refusal("a Bundle of another shape") from None
    if not entries:
        raise Refusal("a Bundle without entries")
    keys = dict(filter(None, map(_key, entries, heads)))
    for part, entry, head in zip(parts, entries, heads, strict=True):
        if entry.request and entry.request.method == "DELETE":
            yield _deletion(entry.request, bytes(part))
        elif not head:
            raise Refusal("a Bundle entry without resource")
        elif head.resourceType != _OUTCOME:
            yield _resolved(_named(bytes(entry.resource), entry, head), keys)


def judge_long(text: bytes) -> bool:
    """True for a Bundle, each entry of which has been judged by itself, as has been what is around
    them: to judge a long one as a whole takes many times its memory.

    Raises Refusal for what `parse` refuses, and for an entry that is too long; False where a text
    is no Bundle or no JSON.
    """
    try:
        if _head.decode(text).resourceType != "Bundle":
            return False
        parts = _bundle.decode(text).entry
    except (msgspec.DecodeError, RecursionError):
        return False
    around, begin = [], 0
    for part in map(bytes, parts):
        parse(reduce(part)[0])
        place = text.index(part, begin)
        around.append(text[begin:place])
        begin = place + len(part)
    parse(reduce(b"0".join([*around, text[begin:]]))[0])
    return True


def _key(entry: _Entry, head: _Head | None) -> tuple[bytes, bytes] | None:
    """The address of an entry within its Bundle, and the one that it has outside."""
    if not head or not entry.fullUrl.startswith("urn:"):
        return None
    outside = orjson.dumps(f"{head.resourceType}/{head.id or _last(entry)}")[1:-1]
    return entry.fullUrl.encode(), outside


def _last(entry: _Entry) -> str:
    return entry.fullUrl.rpartition(":")[2]


def _named(text: bytes, entry: _Entry, head: _Head) -> bytes:
    """A resource that is to be created has no id yet: its address in the Bundle serves."""
    if head.id is not None or not entry.fullUrl.startswith("urn:") or not ID.match(_last(entry)):
        return text
    opened, _, rest = text.partition(b"{")
    return opened + b'{"id":' + orjson.dumps(_last(entry)) + b"," + rest


def _resolved(text: bytes, keys: Mapping[bytes, bytes]) -> bytes:
    if not keys or b'"urn:' not in text:
        return text
    return _URN.sub(lambda found: found[1] + keys.get(found[2], found[2]) + found[3], text)


def _deletion(request: _Request, text: bytes) -> Deletion:
    found = _DELETED.search(request.url)
    if not found:
        raise Refusal("a deletion without type and id")
    return Deletion(found[1], found[2], text)
