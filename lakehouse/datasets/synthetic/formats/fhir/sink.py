"""Where resources of a site go: to the export that first knows of them, with version and label."""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import orjson

from lakehouse.datasets.synthetic.clock import DAY, END, EXPORTS, exported_at, utc
from lakehouse.datasets.synthetic.formats.fhir.files import ExportFiles
from lakehouse.datasets.synthetic.formats.fhir.terms import NPI, US_CORE, Body, concept
from lakehouse.datasets.synthetic.model import Person
from lakehouse.datasets.synthetic.sites import Site
from lakehouse.datasets.synthetic.words.codes import TERMS, Code

Version = tuple[int, Callable[[], Body]]
"""The minute in which a version was written, and how its body is made when it is wanted."""

_RESTRICTED = 17
_VERSION = '","meta":{"versionId":"'
_UPDATED = '","lastUpdated":"'
_PROFILES = {
    "Patient": "us-core-patient",
    "Encounter": "us-core-encounter",
    "Condition": "us-core-condition-encounter-diagnosis",
    "Procedure": "us-core-procedure",
    "MedicationRequest": "us-core-medicationrequest",
    "DiagnosticReport": "us-core-diagnosticreport-lab",
    "DocumentReference": "us-core-documentreference",
    "Immunization": "us-core-immunization",
    "AllergyIntolerance": "us-core-allergyintolerance",
    "CarePlan": "us-core-careplan",
    "CareTeam": "us-core-careteam",
    "Goal": "us-core-goal",
    "Practitioner": "us-core-practitioner",
    "Organization": "us-core-organization",
    "Location": "us-core-location",
    "Coverage": "us-core-coverage",
    "ServiceRequest": "us-core-servicerequest",
    "Specimen": "us-core-specimen",
    "RelatedPerson": "us-core-relatedperson",
    "Provenance": "us-core-provenance",
}


class Sink:
    """The exports of one site. What is put is written for the patient that `charts` named last."""

    def __init__(self, folder: Path, site: Site) -> None:
        self.site = site
        self.base = f"https://{site.name}.example.org/fhir"
        self.time = utc if site.writes_utc else site.zone.iso
        self.subject: Body = {}
        self._exports = [
            ExportFiles(folder / str(number), self.base, number) for number in range(1, EXPORTS + 1)
        ]
        self._is_restricted = False
        self._frames: dict[str, tuple[str, str]] = {}
        self._at = 0, utc(0)
        self._since = 0
        self._until = 0
        self._written: list[tuple[str, str]] = []
        self._staff = [self._named(number) for number in range(len(site.staff))]

    def begin(self, person: Person) -> None:
        """The resources of another person follow."""
        is_restricted = person.number % _RESTRICTED == 0
        if is_restricted != self._is_restricted:
            self._is_restricted = is_restricted
            self._frames.clear()
        self.charts(person.registrations[0].id)

    def charts(self, patient: str, *, since: int = 0, until: int = 0) -> None:
        """What follows is this patient's: all of it again as new versions `since` a minute, or only
        what the exports before `until` show."""
        self.subject = {"reference": f"Patient/{patient}"}
        self._since, self._until = since, until
        self._written.clear()

    def put(self, kind: str, identity: str, body: Body, at: int, version: int = 1) -> None:
        """One version of a resource, that was written in a minute."""
        if self._since:
            at, version = max(at, self._since), version + 1
        export = 1 if at <= END else 1 - (END - at) // DAY
        if self._until:
            if exported_at(export) >= self._until:
                return
            self._written.append((kind, identity))
        elif export > EXPORTS:
            return
        self._exports[export - 1].add(kind, self._line(kind, identity, body, at, version))

    def put_versions(self, kind: str, identity: str, versions: Sequence[Version]) -> None:
        """The versions of a resource by time: each export has the newest that is new."""
        at, make = versions[-1]
        if at <= END:
            self.put(kind, identity, make(), at, len(versions))
            return
        before = -(1 << 40)
        for export in range(1, EXPORTS + 1):
            until = exported_at(export)
            known = [place for place, (at, _) in enumerate(versions) if at <= until]
            if known and versions[known[-1]][0] > before:
                at, make = versions[known[-1]]
                self.put(kind, identity, make(), at, len(known))
            before = until

    def late(
        self, export: int, kind: str, identity: str, body: Body, version: tuple[int, int]
    ) -> None:
        """A version (its minute and number) that came only with a later export."""
        self._exports[export - 1].add(kind, self._line(kind, identity, body, *version))

    def cut(
        self, export: int, kind: str, identity: str, body: Body, version: tuple[int, int]
    ) -> None:
        """Half a line."""
        line = self._line(kind, identity, body, *version)
        self._exports[export - 1].add(kind, line[: len(line) // 2] + b"\n")

    def delete_written(self, at: int) -> None:
        """The site deletes all that the exports before showed since the last `charts`."""
        export = 1 - (END - at) // DAY
        for kind, identity in dict.fromkeys(self._written):
            self._exports[export - 1].delete(kind, identity)

    def practitioner(self, number: int) -> Body:
        """A reference to somebody of the staff: by id, or at some sites by what to search for."""
        return self._staff[number]

    def close(self) -> None:
        """Write the manifests."""
        for export in self._exports:
            export.close()

    def _named(self, number: int) -> Body:
        told = self.site.staff[number]
        target = f"?identifier={NPI}|{told.npi}" if self.site.index % 2 else f"/{told.id}"
        return {"reference": f"Practitioner{target}", "display": f"Dr. {told.given} {told.family}"}

    def _line(self, kind: str, identity: str, body: Body, at: int, version: int) -> bytes:
        head, tail = self._frames.get(kind) or self._frame(kind)
        if at != self._at[0]:
            self._at = at, utc(at)
        meta = f"{head}{identity}{_VERSION}{version}{_UPDATED}{self._at[1]}{tail}"
        return meta.encode() + orjson.dumps(body, option=orjson.OPT_APPEND_NEWLINE)[1:]

    def _frame(self, kind: str) -> tuple[str, str]:
        self._frames[kind] = found = _frame(kind, self.base, self._is_restricted)
        return found


@cache
def _frame(kind: str, base: str, is_restricted: bool) -> tuple[str, str]:
    """What stands before the id and behind the time of a resource of a type."""
    labels = [Code(f"{TERMS}/v3-ActReason", "HTEST", "test health data")]
    if is_restricted:
        labels.append(Code(f"{TERMS}/v3-Confidentiality", "R", "restricted"))
    profile = f',"profile":["{US_CORE}/{_PROFILES[kind]}"]' if kind in _PROFILES else ""
    told = orjson.dumps(concept(*labels)["coding"]).decode()
    tail = f'","source":"{base}"{profile},"security":{told}}},'
    return f'{{"resourceType":"{kind}","id":"', tail
