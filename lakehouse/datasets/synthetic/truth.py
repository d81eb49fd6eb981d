"""The answer key: NDJSON streams under `truth/`, told from the story before any format is rendered.

Each row is written at once, and says that it is synthetic (`mark`); nothing is kept. Times are
instants in UTC, dates are ISO 8601.
"""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import orjson

from lakehouse.datasets.synthetic.changes import DEFECTS, export_of
from lakehouse.datasets.synthetic.clock import utc
from lakehouse.datasets.synthetic.model import Change, Demographics, Encounter, Person
from lakehouse.datasets.synthetic.outcomes import outcomes
from lakehouse.datasets.synthetic.population import Population

Row = dict[str, object]
MARK = "HTEST: synthetic, no real person"
"""The mark for formats without one of their own."""

_MARKED = {"mark": "HTEST"}

_BUFFER = 1 << 18


class Truth:
    """Open streams of rows, by name: `write("phi_span", row)` appends to
    `truth/phi_span.ndjson`."""

    def __init__(self, folder: Path, population: Population) -> None:
        self._folder = folder
        self._population = population
        self._streams: dict[str, BinaryIO] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def write(self, stream: str, row: Row) -> None:
        """Append one row."""
        found = self._streams.get(stream) or self._open(stream)
        found.write(orjson.dumps({**row, **_MARKED}, option=orjson.OPT_APPEND_NEWLINE))

    def write_dumped(self, stream: str, row: bytes, more: Row) -> None:
        """Append a row that is JSON already, and what is known of it only now."""
        found = self._streams.get(stream) or self._open(stream)
        found.write(row[:-1] + b"," + orjson.dumps({**more, **_MARKED})[1:] + b"\n")

    def add(self, person: Person) -> None:
        """All that the story says of a person."""
        self.write("person", _person(person))
        for row in _registrations(person):
            self.write("registration", row)
        for encounter in person.encounters:
            self.write("encounter", _encounter(person, encounter))
            self._write_records(person, encounter)
            for row in _links(person, encounter):
                self.write("link", row)
        for change in person.changes:
            self.write("defect" if change.kind in DEFECTS else "change", _change(person, change))
        for row in outcomes(person, self._population):
            self.write("outcome", row)

    def _write_records(self, person: Person, encounter: Encounter) -> None:
        """The longest stream by far: nothing in it needs to be escaped."""
        found = self._streams.get("record") or self._open("record")
        place = f'{{"person":"{person.id}","site":"{encounter.site}","encounter":"{encounter.id}"'
        rows = (
            f'{place},"kind":"{kind}","id":"{identity}","at":"{utc(at)}","mark":"HTEST"}}\n'
            for kind, identity, at in _records(encounter)
        )
        found.write("".join(rows).encode())

    def _open(self, stream: str) -> BinaryIO:
        path = self._folder / f"{stream}.ndjson"
        self._streams[stream] = path.open("wb", buffering=_BUFFER)
        return self._streams[stream]

    def close(self) -> None:
        """Write what is buffered."""
        for stream in self._streams.values():
            stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _records(encounter: Encounter) -> Iterator[tuple[str, str, int]]:
    """Every id below an encounter: what it is called in the model, the id, and the minute."""
    yield from (("diagnosis", one.id, one.recorded) for one in encounter.diagnoses)
    yield from (("round", one.id, one.minute) for one in encounter.rounds)
    for panel in encounter.panels:
        yield "panel", panel.id, panel.ordered
        yield from (("result", one.id, panel.resulted) for one in panel.results)
    yield from (("medication", one.id, one.ordered) for one in encounter.medications)
    for done in encounter.procedures:
        yield "procedure", done.id, done.start
        if done.implant is not None:
            yield "implant", done.implant.id, done.start
    yield from (("imaging", one.id, one.ordered) for one in encounter.imaging)
    yield from (("document", one.id, one.minute) for one in encounter.documents)
    yield from (("allergy", one.id, one.recorded) for one in encounter.allergies)
    yield from (("immunization", one.id, one.minute) for one in encounter.immunizations)
    yield from (("survey", one.id, one.minute) for one in encounter.surveys)
    yield from (("care_plan", one.id, one.start) for one in encounter.care_plans)


def _person(person: Person) -> Row:
    return {
        "person": person.id,
        **_demographics(person.truth),
        "nickname": person.nickname,
        "former_family": person.former_family,
        "race": person.race.display,
        "ethnicity": person.ethnicity.display,
        "language": person.language,
        "insurance_number": person.insurance_number,
        "contact_given": person.contact.given,
        "contact_family": person.contact.family,
        "module": person.module,
        "died_at": None if person.died is None else utc(person.died),
    }


def _demographics(told: Demographics) -> Row:
    return {
        "given": told.given,
        "middle": told.middle,
        "family": told.family,
        "born": told.born.isoformat(),
        "sex": told.sex,
        "ssn": told.ssn,
        "line": told.address.line,
        "city": told.address.city,
        "state": told.address.state,
        "postal_code": told.address.postal_code,
        "phone": told.phone,
        "email": told.email,
    }


def _registrations(person: Person) -> Iterator[Row]:
    for told in person.registrations:
        yield {
            "person": person.id,
            "site": told.site,
            "patient": told.id,
            "mrn": told.mrn,
            "at": utc(told.at),
            "is_duplicate": told.is_duplicate,
            "flaws": list(told.flaws),
            **_demographics(told.demographics),
        }


def _encounter(person: Person, told: Encounter) -> Row:
    return {
        "person": person.id,
        "site": told.site,
        "patient": told.patient,
        "encounter": told.id,
        "visit_number": told.visit_number,
        "module": told.module,
        "setting": told.setting,
        "start": utc(told.start),
        "end": utc(told.end),
        "reason": told.reason.code,
        "organization": told.organization,
        "disposition": told.disposition,
        "is_elective": told.is_elective,
        "wards": [{"ward": m.ward, "start": utc(m.start), "end": utc(m.end)} for m in told.moves],
    }


def _links(person: Person, told: Encounter) -> Iterator[Row]:
    """Under which names one examination or battery appears in the formats."""
    reports = {one.about: one.id for one in told.documents if one.about}
    for image in told.imaging:
        yield {
            "person": person.id,
            "site": told.site,
            "encounter": told.id,
            "kind": "imaging",
            "id": image.id,
            "placer": image.placer,
            "accession": image.accession,
            "study_uid": image.study_uid,
            "series": [{"uid": one.uid, "n_instances": one.n_instances} for one in image.series],
            "modality": image.examination.modality,
            "document": reports[image.id],
            "finding": image.finding.name,
            "is_abnormal": image.finding.is_abnormal,
        }
    for panel in told.panels:
        yield {
            "person": person.id,
            "site": told.site,
            "encounter": told.id,
            "kind": "panel",
            "id": panel.id,
            "placer": panel.placer,
            "accession": panel.filler,
        }


def _change(person: Person, change: Change) -> Row:
    return {
        "person": person.id,
        "site": change.site,
        "kind": change.kind,
        "at": utc(change.at),
        "export": export_of(change),
        "target": change.target,
        "value": change.value,
        "right": change.right,
        "parts": change.parts,
        "other": change.other or None,
    }
