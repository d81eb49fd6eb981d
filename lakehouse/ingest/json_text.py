"""JSON as it was sent: judged strictly, and changed without touching a token that stays.

A value that was read and written anew is not what was sent: `1.50` comes back as `1.5`, and of two
members with one name only one is left. So texts are cut and filled in, never written anew.
"""

import hashlib
import json
import re
from typing import Any

import msgspec
import orjson

LONGEST_TEXT = 16 * 2**20
"""Bytes; of a longer text the long strings are left out, and it must be no longer then."""

LONGEST_STRING = 2**20
"""Bytes; a longer string in a text that is too long is left out."""

_MEMBER = re.compile(rb'"\s*:')
_SPACED = (b'" ', b'"\n', b'"\t', b'"\r')
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.S)
"""Possessive: to remember where it could go back to takes memory for every escape."""

_CUT = re.compile(rb"[^\\]{12}(?=[\x00-\x7f\xc0-\xff])", re.S)
"""Ends where a string may be cut: behind a whole character, and in none of its escapes."""

_PIECE = 2**20


class Refusal(Exception):  # noqa: N818 (an outcome of reading, not an error of the program)
    """Why a record is not read; the text is one of a fixed few and quotes nothing."""


def parse(text: bytes) -> Any:
    """The value of a text in UTF-8 (RFC 8259); raises Refusal for what is none, and for an object
    with two members of one name, of which readers take either."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise Refusal("not JSON") from None
    # most senders write as orjson does, and then nothing was lost on the way
    again = _written(value)
    if again != text and _repeats(text, again):
        raise Refusal("duplicate keys")
    return value


def _written(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        return b""  # it nests deeper than orjson writes


def _repeats(text: bytes, again: bytes) -> bool:
    """True when what was read from `text` and written `again` has fewer members."""
    if again and b"\\u00" not in text:
        # quotes and colons stand as they are: what looks like a member does so in both
        return _members(text) != _members(again)
    try:
        json.loads(text, object_pairs_hook=_once)
    except _Twice:
        return True
    except RecursionError:
        raise Refusal("nested too deep") from None
    return False


def _members(text: bytes) -> int:
    if any(mark in text for mark in _SPACED):
        return len(_MEMBER.findall(text))
    return text.count(b'":')


class _Twice(Exception):  # noqa: N818 (found what was looked for)
    pass


def _once(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) < len(pairs):
        raise _Twice


def reduce(text: bytes) -> tuple[bytes, int]:
    """A text that is too long with its long strings replaced by their hash and size, and how many
    were. Raises Refusal when it stays too long, and where a string that was replaced is none; the
    rest is judged by who parses what is left. Takes no memory for what it leaves out."""
    if len(text) <= LONGEST_TEXT:
        return text, 0
    pieces: list[bytes] = []
    size = begin = 0
    for found in _STRING.finditer(text):
        first, last = found.start() + 1, found.end() - 1
        is_long = last - first > LONGEST_STRING
        if size + (first if is_long else last) - begin > LONGEST_TEXT:
            break
        if is_long:
            pieces += text[begin : first - 1], _omitted(text, first, last)
            size += first - begin
            begin = last + 1
    if size + len(text) - begin > LONGEST_TEXT:
        raise Refusal("too long without its long strings" if is_json(text) else "not JSON")
    return b"".join([*pieces, text[begin:]]), len(pieces) // 2


def _omitted(text: bytes, first: int, last: int) -> bytes:
    """What stands for a string whose content lies between these places."""
    digest, begin = hashlib.sha256(), first
    while begin < last:
        found = _CUT.search(text, begin + _PIECE, last)
        piece = text[begin : found.end() if found else last]
        parse(b'"' + piece + b'"')
        digest.update(piece)
        begin += len(piece)
    return f'"omitted:sha256:{digest.hexdigest()}:{last - first}"'.encode()


def is_json(text: bytes) -> bool:
    """True for what looks like JSON, told without making a value of it."""
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True
