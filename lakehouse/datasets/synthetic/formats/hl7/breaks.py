"""What goes wrong with a message on its way: each gives the kind and what arrives instead."""

from collections.abc import Callable

from lakehouse.datasets.synthetic.formats.hl7.segments import LATIN, UNICODE

_CODECS = ((UNICODE, "utf-8", "latin-1"), (LATIN, "latin-1", "utf-8"))


def truncated(data: bytes) -> tuple[str, bytes]:
    """The last third is missing, from the middle of a segment on."""
    end = len(data) * 2 // 3
    return "truncated", data[:end].rstrip(b"\r") + b"\r"


def escaped_delimiters(data: bytes) -> tuple[str, bytes]:
    """MSH-2 has a backslash too many, as a program's source text would."""
    return "escaped_delimiters", data.replace(b"^~\\&", b"^~\\\\&", 1)


def impossible_time(data: bytes) -> tuple[str, bytes]:
    """MSH-7 has a month 13 and a day 45."""
    parts = data.split(b"|", 7)
    parts[6] = parts[6][:4] + b"1345" + parts[6][8:]
    return "impossible_time", b"|".join(parts)


def wrong_charset(data: bytes) -> tuple[str, bytes]:
    """The text is in another character set than MSH-18 says; where that makes no difference, it
    is truncated."""
    for name, codec, other in _CODECS:
        if name.encode() in data.partition(b"\r")[0]:
            try:
                broken = data.decode(codec).encode(other)
            except UnicodeEncodeError:
                break
            if broken != data:
                return "wrong_charset", broken
    return truncated(data)


BREAKS: tuple[Callable[[bytes], tuple[str, bytes]], ...] = (
    truncated,
    wrong_charset,
    escaped_delimiters,
    impossible_time,
)
"""All that can happen."""
