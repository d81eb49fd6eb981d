"""Text in pieces: what each piece is, and where it stands once it is written down."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from lakehouse.datasets.synthetic.phi import PhiClass
from lakehouse.datasets.synthetic.words.codes import Code
from lakehouse.datasets.synthetic.words.phrases import CONCEPTS, LOOK_ALIKE

_MARKED = re.compile(r"\{(\w+)\}|\[([^]|]+)\|(\w+)\]")


class Value(NamedTuple):
    """A value of the patient or the stay; without a class it tells of nobody."""

    text: str
    phi: PhiClass | None = None


class Piece(NamedTuple):
    """Some text; at most one of the others says what it is."""

    text: str
    phi: PhiClass | None = None
    concept: Code | None = None
    status: str = ""
    """Of a finding, or `look_alike`."""

    @property
    def is_marked(self) -> bool:
        """True for what the truth tells of."""
        return self.phi is not None or bool(self.status)


Line = tuple[Piece, ...]


def line_of(template: str, values: Mapping[str, Value]) -> Line:
    """A line from a template of `words.phrases`, with its values."""
    return tuple(_pieces(template, values))


def _pieces(template: str, values: Mapping[str, Value]) -> Iterator[Piece]:
    place = 0
    for found in _MARKED.finditer(template):
        if found.start() > place:
            yield Piece(template[place : found.start()])
        place = found.end()
        name, phrase, status = found.groups()
        if name:
            yield Piece(*values[name])
        elif status == LOOK_ALIKE:
            yield Piece(phrase, status=status)
        else:
            yield Piece(phrase, None, CONCEPTS[phrase.lower()], status)
    if place < len(template):
        yield Piece(template[place:])


class Span(NamedTuple):
    """A marked piece and its characters: in the file, and in the text that the file shows."""

    piece: Piece
    start: int
    end: int
    shown: int


@dataclass
class Page:
    """A file while it is written. `escape` is how the format writes text."""

    escape: Callable[[str], str]
    spans: list[Span] = field(default_factory=list)
    _parts: list[str] = field(default_factory=list)
    _length: int = 0
    _shown: int = 0

    def raw(self, markup: str, *, shows: int = 0) -> None:
        """Append markup as it stands, which shows so many characters."""
        self._parts.append(markup)
        self._length += len(markup)
        self._shown += shows

    def put(self, *pieces: Piece) -> None:
        """Append text."""
        for piece in pieces:
            written = self.escape(piece.text)
            if piece.is_marked:
                end = self._length + len(written)
                self.spans.append(Span(piece, self._length, end, self._shown))
            self.raw(written, shows=len(piece.text))

    def text(self) -> str:
        """All that was written."""
        return "".join(self._parts)
