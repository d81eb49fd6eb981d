"""How a program writes a table: characters, delimiter, dates, decimals, header."""

from dataclasses import dataclass

from lakehouse.datasets.synthetic.formats.tables.departments import Cell, Day, Department
from lakehouse.datasets.synthetic.sites import Site
from lakehouse.datasets.synthetic.truth import Row

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_WIDTH = 10


@dataclass(frozen=True, slots=True)
class Form:
    """One way to write a table."""

    encoding: str
    """A codec of Python's; `utf-16` is little-endian with a byte order mark."""
    delimiter: str
    dates: str
    """`iso`, `dotted` (day first), `slashed` (month first) or `named` (14-Nov-2026)."""
    decimal: str
    header: str
    """`plain`, `renamed`, `upper`, or `titled`: two lines come before it."""
    has_zeros: bool
    """False where a spreadsheet took the leading zeros of record numbers, which are printed with
    ten digits."""

    def header_of(self, department: Department) -> list[str]:
        """The names of the columns, as this form has them."""
        names = department.renamed if self.header == "renamed" else department.columns
        told = [*names, "remark"]
        return [name.upper() for name in told] if self.header == "upper" else told

    def opening(self, site: Site, department: Department) -> bytes:
        """What comes before the first row."""
        mark = {"utf-16": b"\xff\xfe", "utf-8-sig": b"\xef\xbb\xbf"}.get(self.encoding, b"")
        title = f"{site.title} {department.name}{self.delimiter}\n\n"
        text = self.line(self.header_of(department))
        return mark + self.encode(title + text if self.header == "titled" else text)

    def line(self, cells: list[str]) -> str:
        """Cells as a line; those that hold a delimiter or a quote are quoted (RFC 4180)."""
        return self.delimiter.join([self._quoted(cell) for cell in cells]) + "\n"

    def encode(self, text: str) -> bytes:
        """Bytes without a byte order mark; a character that there is no byte for becomes `?`."""
        if self.encoding == "utf-16":
            return text.encode("utf-16-le")
        codec = "utf-8" if self.encoding == "utf-8-sig" else self.encoding
        return text.encode(codec, "replace")

    def holds(self, text: str) -> bool:
        """Whether there is a byte for every character."""
        if self.encoding != "cp1252" or text.isascii():
            return True
        return text.encode("cp1252", "ignore") == text.encode("cp1252", "replace")

    def misread(self, text: str) -> bytes:
        """The text as a program writes it that knows nothing of the file's encoding; in UTF-16
        nothing would be left of the rows after it, so it is as it should be."""
        if self.encoding == "utf-16":
            return self.encode(text)
        return text.encode("utf-8" if self.encoding == "cp1252" else "cp1252", "replace")

    def cell(self, told: Cell, site: Site) -> str:
        """One cell; dates are local ones."""
        if isinstance(told, str):
            return told
        if isinstance(told, Day):
            return self._date(site.zone.day(told.minute))
        return f"{told.value // 10}{self.decimal}{told.value % 10}"

    def number(self, mrn: str) -> str:
        """A record number."""
        return f"{mrn:0>{_WIDTH}}" if self.has_zeros else mrn

    def told(self, site: Site, department: Department, path: str) -> Row:
        """The row of the truth about a file in this form."""
        return {
            "site": site.name,
            "department": department.name,
            "file": path,
            "encoding": self.encoding,
            "delimiter": self.delimiter,
            "dates": self.dates,
            "decimal": self.decimal,
            "header": self.header,
            "columns": self.header_of(department),
            "has_zeros": self.has_zeros,
        }

    def _quoted(self, cell: str) -> str:
        if self.delimiter in cell or '"' in cell:
            return f'"{cell.replace(chr(34), chr(34) * 2)}"'
        return cell

    def _date(self, iso: str) -> str:
        year, month, day = iso[:4], iso[5:7], iso[8:]
        match self.dates:
            case "dotted":
                return f"{day}.{month}.{year}"
            case "slashed":
                return f"{month}/{day}/{year}"
            case "named":
                return f"{day}-{_MONTHS[int(month) - 1]}-{year}"
        return iso


FORMS = (
    Form("utf-8", ",", "iso", ".", "plain", True),
    Form("cp1252", ";", "dotted", ",", "renamed", True),
    Form("utf-16", "\t", "slashed", ".", "upper", False),
    Form("utf-8-sig", "|", "named", ".", "titled", True),
)
"""Departments take turns of them, and each changes to the next with each new part of its table."""
