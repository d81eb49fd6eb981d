"""ADT: people come, move and go; what a site believes of them changes (chapter 3)."""

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import NamedTuple

from lakehouse.datasets.synthetic import changes
from lakehouse.datasets.synthetic.formats.hl7.segments import Message, Words
from lakehouse.datasets.synthetic.model import Allergy, Change, Encounter, Person, Registration

ADMIT, TRANSFER, DISCHARGE, REGISTER = "A01", "A02", "A03", "A04"
UPDATE, CANCEL, UNLINK, MERGE, MOVE_VISIT = "A08", "A11", "A37", "A40", "A45"

_CLERK = 4
_SEVERITIES = {"mild": "MI", "moderate": "MO", "severe": "SV"}
# the standard's message structures that other events share (table 0354)
_STRUCTURES = {REGISTER: ADMIT, UPDATE: ADMIT, CANCEL: "A09", MERGE: "A39"}


class File(NamedTuple):
    """What a site has on file of one person: PID by registration, now and after `corrected`."""

    words: Words
    person: Person
    registrations: Mapping[str, Registration]
    pids: Mapping[str, str]
    corrected: Mapping[str, tuple[int, str]]
    """PID from a minute on, of registrations whose address is put right."""

    @classmethod
    def of(cls, words: Words, person: Person) -> "File":
        """The file of a person at the site of the words."""
        told = {one.id: one for one in person.at_site(words.site.name)}
        corrected = {}
        for change in person.changes:
            if change.kind == changes.ADDRESS_CORRECTED and change.target in told:
                text = words.patient(person, told[change.target], person.truth.address)
                if change.site == words.site.name:
                    corrected[change.target] = (change.at, text)
        pids = {name: words.patient(person, one) for name, one in told.items()}
        return cls(words, person, told, pids, corrected)

    def pid(self, patient: str, minute: int) -> str:
        """PID as it is in this minute."""
        changed = self.corrected.get(patient)
        if changed is not None and changed[0] <= minute:
            return changed[1]
        return self.pids[patient]


def visits(file: File, told: Encounter, pid: str, patient: str) -> Iterator[Message]:
    """An encounter from its beginning to its end, as far as ADT tells it."""
    words, moves = file.words, told.moves
    delay = told.noise & 3
    first = moves[0] if moves else None
    event = ADMIT if told.is_inpatient else REGISTER
    why = f"DG1|1||{told.reason.code}^{told.reason.display}^I10||{words.stamp(told.start)}|A\r"
    warned = "".join(_allergy(place, one) for place, one in enumerate(told.allergies, 1))
    kin, payer = words.kin(file.person), words.insurance(file.person)
    body = f"{pid}{kin}{words.visit(told, first)}{warned}{why}{payer}"
    at = told.start + delay
    yield _adt(words, event, (at, told.start), body, (patient, told.id))
    for prior, place in pairwise(moves):
        body = pid + words.visit(told, place, prior)
        at = place.start + _CLERK + delay
        yield _adt(words, TRANSFER, (at, place.start), body, (patient, told.id))
    if told.setting != "AMB":
        last = moves[-1] if moves else None
        body = pid + words.visit(told, last, is_over=True) + _diagnoses(words, told)
        at = told.end + _CLERK + delay
        yield _adt(words, DISCHARGE, (at, told.end), body, (patient, told.id))


def _diagnoses(words: Words, told: Encounter) -> str:
    found = sorted(told.diagnoses, key=lambda one: not one.is_principal)
    return "".join(
        f"DG1|{place}||{one.code.code}^{one.code.display}^I10||{words.stamp(one.recorded)}|F"
        f"|||||||||{1 if one.is_principal else 2}\r"
        for place, one in enumerate(found, 1)
        if one.verification != "refuted"
    )


def _allergy(place: int, one: Allergy) -> str:
    what, how = one.substance, one.reaction
    return (
        f"AL1|{place}|DA|{what.code}^{what.display}^SCT|{_SEVERITIES[one.severity]}|{how.display}\r"
    )


def changed(file: File, encounters: Mapping[str, Encounter]) -> Iterator[Message]:
    """What the site takes back, merges or corrects later."""
    for change in file.person.changes:
        tell = _CHANGES.get(change.kind)
        if tell is not None and change.site == file.words.site.name:
            yield from tell(file, change, encounters)


def _updated(file: File, change: Change, _: Mapping[str, Encounter]) -> Iterator[Message]:
    body = file.pid(change.target, change.at) + "PV1|1|N\r"
    yield _adt(file.words, UPDATE, (change.at, change.at), body, (change.target, ""))


def _stale(file: File, change: Change, known: Mapping[str, Encounter]) -> Iterator[Message]:
    """The registration of the first visit, byte for byte, after a newer one."""
    moved = {one.target for one in file.person.changes if one.kind == changes.ENCOUNTER_MOVED}
    for told in known.values():
        if told.patient == change.target and told.id not in moved:
            first = next(visits(file, told, "", told.patient))
            yield first._replace(at=change.at, is_again=True)
            return


def _cancelled(file: File, change: Change, known: Mapping[str, Encounter]) -> Iterator[Message]:
    told = known[change.target]
    place = told.moves[-1] if told.moves else None
    body = file.pid(told.patient, change.at) + file.words.visit(told, place)
    times, ids = (change.at, told.start), (told.patient, told.id)
    yield _adt(file.words, CANCEL, times, body, ids)


def _reclassified(file: File, change: Change, known: Mapping[str, Encounter]) -> Iterator[Message]:
    told = known[change.target]
    place = told.moves[-1] if told.moves else None
    visit = file.words.visit(told, place, is_over=True, is_elective=False)
    body = file.pid(told.patient, change.at) + visit
    times, ids = (change.at, change.at), (told.patient, told.id)
    yield _adt(file.words, UPDATE, times, body, ids)


def _merged(file: File, change: Change, _: Mapping[str, Encounter]) -> Iterator[Message]:
    prior, facility = file.registrations[change.target], file.words.facility
    ids = f"{prior.mrn}^^^{facility}^MR~{prior.id}^^^{facility}^PI"
    body = f"{file.pid(change.other, change.at)}MRG|{ids}\r"
    yield _adt(file.words, MERGE, (change.at, change.at), body, (change.other, ""))


def _unmerged(file: File, change: Change, _: Mapping[str, Encounter]) -> Iterator[Message]:
    body = file.pid(change.target, change.at) + file.pid(change.other, change.at)
    yield _adt(file.words, UNLINK, (change.at, change.at), body, (change.target, ""))


def _moved(file: File, change: Change, known: Mapping[str, Encounter]) -> Iterator[Message]:
    told, words = known[change.target], file.words
    site = words.site
    prior = f"{site.mrn(site.local(int(change.other[1:])))}^^^{words.facility}^MR"
    place = told.moves[-1] if told.moves else None
    body = (
        f"{file.pid(told.patient, change.at)}MRG|{prior}~{change.other}^^^{words.facility}^PI"
        f"||||{told.visit_number}^^^{words.facility}^VN\r"
        f"{words.visit(told, place, is_over=told.setting != 'AMB')}"
    )
    yield _adt(words, MOVE_VISIT, (change.at, change.at), body, (told.patient, told.id))


_Tell = Callable[[File, Change, Mapping[str, Encounter]], Iterator[Message]]
_CHANGES: Mapping[str, _Tell] = {
    changes.ADDRESS_CORRECTED: _updated,
    changes.PATIENT_RESENT: _updated,
    changes.PATIENT_STALE: _stale,
    changes.ENCOUNTER_DELETED: _cancelled,
    changes.ENCOUNTER_RECLASSIFIED: _reclassified,
    changes.ENCOUNTER_MOVED: _moved,
    changes.PATIENT_MERGED: _merged,
    changes.PATIENT_UNMERGED: _unmerged,
}


def _adt(
    words: Words, event: str, times: tuple[int, int], body: str, ids: tuple[str, str]
) -> Message:
    """`times`: when it was written down, and when it happened; `ids` of patient and encounter."""
    recorded, occurred = times
    evn = f"EVN|{event}|{words.stamp(recorded)}||||{words.stamp(occurred)}|{words.facility}\r"
    name = f"ADT^{event}^ADT_{_STRUCTURES.get(event, event)}"
    return Message(recorded, name, evn + body, *ids)
