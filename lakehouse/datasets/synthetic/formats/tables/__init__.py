"""Tables of departments: pharmacy, dietetics, vaccination and the patients' portal, as CSV of
whatever kind.

`<site>/<department>.<part>.csv`, and the pharmacy's list of articles as `articles.csv`. How each
file is written is in the truth (`table_file`), as is every row that is broken beyond that
(`defect`), every character that a code page lost, and what the articles are (`article`). What
happens after the first export is not there.
"""

from dataclasses import replace
from pathlib import Path

from lakehouse.datasets.synthetic.clock import END, utc
from lakehouse.datasets.synthetic.dice import scatter
from lakehouse.datasets.synthetic.formats.tables.departments import (
    DEPARTMENTS,
    DRUGS,
    Line,
    article,
)
from lakehouse.datasets.synthetic.formats.tables.forms import FORMS, Form
from lakehouse.datasets.synthetic.model import Person, Registration
from lakehouse.datasets.synthetic.parts import Parts
from lakehouse.datasets.synthetic.population import Population
from lakehouse.datasets.synthetic.sites import Site
from lakehouse.datasets.synthetic.truth import MARK, Truth

__all__ = ["open_format"]

DEFECTS = (
    "repeated_header",
    "shifted_row",
    "cut_row",
    "other_date",
    "wrong_encoding",
    "lost_zeros",
)
"""What one row of somebody may have, beside what is the way of the whole file."""

_LIMIT = 1 << 18
_ALL = 10_000
_IS_BROKEN, _WHICH, _HOW = 7 << 32, 8 << 32, 9 << 32
_DATES = {"iso": "slashed", "dotted": "iso", "slashed": "dotted", "named": "iso"}


class _Table:
    """The table of one department of a site, which is being written."""

    def __init__(self, site: Site, place: int, folder: Path, truth: Truth) -> None:
        self._site, self._place, self._truth = site, place, truth
        self.department = DEPARTMENTS[place]
        self._file = Parts(folder, self.department.name, "csv", _LIMIT)

    def add(self, person: Person, told: Registration, line: Line, defect: str) -> None:
        """Append a row, with a defect or none."""
        form = self._form()
        kinds, data = self._written(form, told, line, defect)
        for kind in kinds:
            self._tell(person, line, kind)
        self._file.write(data)

    def rest(self) -> None:
        """Between two people a new part may begin."""
        if self._file.is_full:
            self._file.turn()

    def close(self) -> None:
        """Close the last part."""
        self._file.turn()

    def _form(self) -> Form:
        """How this part is written; it is begun if it has not yet been."""
        form = FORMS[(self._place + self._site.index + self._file.number) % len(FORMS)]
        if self._file.size == 0:
            told = form.told(self._site, self.department, self._file.path)
            self._truth.write("table_file", told)
            self._file.write(form.opening(self._site, self.department))
        return form

    def _written(
        self, form: Form, told: Registration, line: Line, defect: str
    ) -> tuple[list[str], bytes]:
        """What is wrong with a row, and its bytes."""
        how = replace(form, dates=_DATES[form.dates]) if defect == "other_date" else form
        cells = [
            line.id,
            told.mrn if defect == "lost_zeros" else form.number(told.mrn),
            f"{told.demographics.family}, {told.demographics.given}",
            *(how.cell(cell, self._site) for cell in line.cells),
            MARK,
        ]
        text = form.line(cells)
        lost = [] if form.holds(text) else ["lost_characters"]
        if not defect:
            return lost, form.encode(text)
        if defect == "wrong_encoding" and form.misread(text) != form.encode(text):
            return [defect], form.misread(text)
        kind, broken = self._broken(form, cells, defect)
        return [kind, *lost], form.encode(broken)

    def _broken(self, form: Form, cells: list[str], defect: str) -> tuple[str, str]:
        """The kind of a defect and its text; what would make no difference is a shifted row."""
        match defect:
            case "repeated_header":
                header = form.header_of(self.department)
                return defect, form.line(header) + form.line(cells)
            case "cut_row":
                return defect, form.line(cells[: len(cells) // 2])
            case "other_date" | "lost_zeros" if form.has_zeros or defect == "other_date":
                return defect, form.line(cells)
        return "shifted_row", form.line([*cells[:2], "", *cells[2:]])

    def _tell(self, person: Person, line: Line, kind: str) -> None:
        row = {"person": person.id, "site": self._site.name, "kind": kind, "format": "tables"}
        place = {"target": line.id, "file": self._file.path, "at": utc(line.at)}
        self._truth.write("defect", {**row, **place})


class _Tables:
    def __init__(self, population: Population, folder: Path, truth: Truth) -> None:
        self._defects = population.defects
        self._sites = {site.name: site for site in population.sites}
        self._tables = {
            name: [_Table(site, place, folder / name, truth) for place in range(len(DEPARTMENTS))]
            for name, site in self._sites.items()
        }
        for site in population.sites:
            _write_articles(site, folder / site.name, truth)

    def add(self, person: Person) -> None:
        for name, tables in self._tables.items():
            told = {one.id: one for one in person.at_site(name)}
            if told:
                self._site(person, name, told, tables)

    def close(self) -> None:
        for tables in self._tables.values():
            for table in tables:
                table.close()

    def _site(
        self, person: Person, name: str, told: dict[str, Registration], tables: list[_Table]
    ) -> None:
        index = self._sites[name].index
        key = int.from_bytes(person.key[:8], "big") + index
        rows = [
            (table, told[encounter.patient], line)
            for table in tables
            for encounter in person.encounters
            if encounter.site == name
            for line in table.department.lines(encounter, index)
            if line.at < END
        ]
        broken = -1
        if rows and scatter(key, _IS_BROKEN) % _ALL < self._defects:
            broken = scatter(key, _WHICH) % len(rows)
        for place, (table, patient, line) in enumerate(rows):
            defect = DEFECTS[scatter(key, _HOW) % len(DEFECTS)] if place == broken else ""
            table.add(person, patient, line, defect)
        for table in tables:
            table.rest()


def open_format(population: Population, folder: Path, truth: Truth) -> _Tables:
    """Tables that are written below the folder."""
    return _Tables(population, folder, truth)


def _write_articles(site: Site, folder: Path, truth: Truth) -> None:
    """The code list of the pharmacy, with the truth of what each article is."""
    lines = [f"# {MARK}\narticle;name;text\n"]
    for _, drug in DRUGS:
        number = article(site.index, drug)
        lines.append(f"{number};{drug.name};{drug.code.display}\n")
        row = {"site": site.name, "article": number, "system": drug.code.system}
        truth.write("article", {**row, "code": drug.code.code})
    folder.mkdir(parents=True)
    (folder / "articles.csv").write_bytes("".join(lines).encode("cp1252"))
