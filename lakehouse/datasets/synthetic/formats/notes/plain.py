"""Notes as plain text and as Rich Text Format 1.9."""

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
    page = Page(_rtf)
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


def _rtf(text: str) -> str:
    return "".join(_rtf_character(c) for c in text)


def _rtf_character(character: str) -> str:
    if character.isascii():
        return _PLAIN.get(character, character)
    try:
        return f"\\'{character.encode('cp1252')[0]:02x}"
    except UnicodeEncodeError:
        code = ord(character)
        return f"\\u{code - 65536 if code > 32767 else code}?"
