"""Notes: one file a document, as plain text, RTF or C-CDA, and in the truth what each says where.

A file is `<site>/<local month>/<document id>` with `.txt`, `.rtf` or `.xml`. Plain text is UTF-8
with the line ends of the site; a defect is one in Windows-1252. Offsets count characters (code
points) of the decoded file, whose line ends stay as they are; in `.rtf` and `.xml` they count
markup too, and `shown_start` counts in the text alone that a `.txt` or `.rtf` shows.
"""

from pathlib import Path

from lakehouse.datasets.synthetic.clock import utc
from lakehouse.datasets.synthetic.dice import Dice
from lakehouse.datasets.synthetic.formats.notes.ccda import ccda
from lakehouse.datasets.synthetic.formats.notes.pieces import Page, Span
from lakehouse.datasets.synthetic.formats.notes.plain import plain, rtf
from lakehouse.datasets.synthetic.formats.notes.values import Case
from lakehouse.datasets.synthetic.formats.notes.writing import Note, note_of
from lakehouse.datasets.synthetic.model import Person
from lakehouse.datasets.synthetic.population import Population
from lakehouse.datasets.synthetic.truth import Row, Truth

_SHARES = ((45, "txt"), (25, "rtf"), (30, "xml"))


def open_format(population: Population, folder: Path, truth: Truth) -> "_Notes":
    """Notes below a folder that does not exist yet."""
    folder.mkdir()
    return _Notes(population, folder, truth)


class _Notes:
    def __init__(self, population: Population, folder: Path, truth: Truth) -> None:
        self._population, self._folder, self._truth = population, folder, truth

    def add(self, person: Person) -> None:
        dice = Dice(person.key).at("notes")
        is_flawed = dice.below(10_000) < self._population.defects
        for encounter in person.encounters:
            site = self._population.site(encounter.site)
            for document in encounter.documents:
                case = Case(site, person, encounter, document)
                is_flawed = not self._write(case, dice.weighted(_SHARES), is_flawed) and is_flawed

    def close(self) -> None:
        """Nothing is kept open."""

    def _write(self, case: Case, suffix: str, is_flawed: bool) -> bool:
        """Write one note; True where it has the defect that was asked for."""
        page = _page(note_of(case), suffix)
        text = page.text()
        encoding = "utf-8"
        if is_flawed and suffix == "txt" and not text.isascii() and _fits(text):
            encoding = "cp1252"
        document = case.document
        month = case.site.zone.day(document.minute)[:7]
        path = self._folder / case.site.name / month / f"{document.id}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode(encoding))
        self._tell(case, page, path, encoding)
        return encoding != "utf-8"

    def _tell(self, case: Case, page: Page, path: Path, encoding: str) -> None:
        document, truth = case.document, self._truth
        file = path.relative_to(self._folder.parent).as_posix()
        place: Row = {
            "person": case.person.id,
            "site": case.site.name,
            "document": document.id,
            "file": file,
        }
        kind: Row = {
            "encounter": case.encounter.id,
            "kind": document.kind,
            "about": document.about or None,
            "written_at": utc(document.minute),
            "encoding": encoding,
        }
        truth.write("note", place | kind)
        if encoding != "utf-8":
            defect: Row = {"kind": "wrong_encoding", "format": "notes", "target": document.id}
            truth.write("defect", place | defect)
        has_shown = path.suffix != ".xml"
        for span in page.spans:
            stream, told = _row(span)
            where: Row = {
                "start": span.start,
                "end": span.end,
                "shown_start": span.shown if has_shown else None,
            }
            truth.write(stream, place | where | told)


def _row(span: Span) -> tuple[str, Row]:
    """The stream that tells of a span, and what it says."""
    piece = span.piece
    if piece.phi is not None:
        return "phi_span", {"class": piece.phi, "text": piece.text}
    if piece.concept is None:
        return "look_alike_span", {"text": piece.text}
    concept = piece.concept
    told = {"system": concept.system, "concept": concept.code, "display": concept.display}
    return "finding_span", {"status": piece.status, **told, "text": piece.text}


def _page(note: Note, suffix: str) -> Page:
    if suffix == "rtf":
        return rtf(note)
    if suffix == "xml":
        return ccda(note)
    return plain(note, "\r\n" if note.case.site.index % 2 else "\n")


def _fits(text: str) -> bool:
    try:
        text.encode("cp1252")
    except UnicodeEncodeError:
        return False
    return True
