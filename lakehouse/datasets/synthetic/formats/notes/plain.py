"""Notes as plain text and as Rich Text Format 1.9."""

import struct

from lakehouse.datasets.synthetic.formats.notes.pieces import Page, Piece
from lakehouse.datasets.synthetic.formats.notes.writing import Note
from lakehouse.datasets.synthetic.truth import MARK

_RTF_HEAD = r"{\rtf1\ansi\ansicpg1252\deff0\uc1{\fonttbl{\f0\fswiss Arial;}}{\info{\doccomm "
_PLAIN = {"\\": r"\\", "{": r"\{", "}": r"\}"}


def plain(note: Note, end: str) -> Page:
    """Plain text whose lines end with `end`."""
    page = Page(str)
    _lines(page, note, end, ("", ""), len(end))
    return page


def rtf(note: Note) -> Page:
    r"""RTF of ASCII characters only: others as \'xx of Windows-1252, or \uN and a question mark.

    It shows a line feed for each \par.
    """
    page = Page(rtf_text)
    page.raw(f"{_RTF_HEAD}{MARK}}}}}\n\\f0\\fs20 ")
    _lines(page, note, "\\par\n", ("{\\b ", "}"), 1)
    page.raw("}\n")
    return page


def _lines(page: Page, note: Note, end: str, bold: tuple[str, str], shows: int) -> None:
    def line(*pieces: Piece) -> None:
        page.put(*pieces)
        page.raw(end, shows=shows)

    line(Piece(f"*** {MARK} ***"))
    line(*note.letterhead)
    line(Piece(note.kind.title.upper()))
    for label, value in note.head:
        line(Piece(f"{label}: "), value)
    for part, told in note.sections:
        line()
        page.raw(bold[0])
        page.put(Piece(part.title.upper()))
        page.raw(bold[1])
        page.raw(end, shows=shows)
        for pieces in told:
            line(*pieces)
    line()
    line(*note.signature)


def rtf_text(text: str) -> str:
    """Text as RTF writes it; what is beyond 16 bits takes two numbers (UTF-16)."""
    return "".join(map(_rtf_character, text))


def _rtf_character(character: str) -> str:
    if character.isascii():
        return _PLAIN.get(character, character)
    try:
        return f"\\'{character.encode('cp1252')[0]:02x}"
    except UnicodeEncodeError:
        units = character.encode("utf-16-le")
        return "".join(f"\\u{unit}?" for unit in struct.unpack(f"<{len(units) // 2}h", units))
