"""HL7 v2.5.1 as the interfaces of a hospital keep it: ADT, ORM, ORU and MDM, a file of each per
site.

Every message has processing id T and a segment ZSY that says that nobody is meant. Each stream of a
site is in the order of time, whoever is meant: the files are written when everybody has been told.
Sites of even number end segments of ADT and ORM with CR, of ORU and MDM with LF; the others the
other way round. ORU comes in batches (FHS, BHS), one a day. Now and then a message arrives again as
it was. What is sent after the third export is not there yet.
"""

from collections.abc import Iterator
from pathlib import Path

from lakehouse.datasets.synthetic import changes
from lakehouse.datasets.synthetic.clock import EXPORTS, exported_at
from lakehouse.datasets.synthetic.formats.hl7.admissions import File, changed, visits
from lakehouse.datasets.synthetic.formats.hl7.documents import note
from lakehouse.datasets.synthetic.formats.hl7.interface import Interface
from lakehouse.datasets.synthetic.formats.hl7.orders import Orders, Visit
from lakehouse.datasets.synthetic.formats.hl7.segments import Message, Words
from lakehouse.datasets.synthetic.model import Encounter, Person
from lakehouse.datasets.synthetic.population import Population
from lakehouse.datasets.synthetic.truth import Truth

__all__ = ["open_format"]

_LAST = exported_at(EXPORTS)


def open_format(population: Population, folder: Path, truth: Truth) -> "_Messages":
    """Interfaces that write below the folder, `<site>/<adt|orm|oru|mdm>.<part>.hl7`."""
    return _Messages(population, folder, truth)


class _Messages:
    def __init__(self, population: Population, folder: Path, truth: Truth) -> None:
        self._population = population
        self._words = {site.name: Words(site) for site in population.sites}
        self._orders = {name: Orders(words) for name, words in self._words.items()}
        self._interfaces = {
            name: Interface(words, folder / name, truth, population.defects)
            for name, words in self._words.items()
        }

    def add(self, person: Person) -> None:
        for name in dict.fromkeys(told.site for told in person.registrations):
            told = (one for one in self._told(name, person) if one.at < _LAST)
            self._interfaces[name].send(person, sorted(told, key=_at))

    def close(self) -> None:
        for interface in self._interfaces.values():
            interface.close()

    def _told(self, name: str, person: Person) -> Iterator[Message]:
        words = self._words[name]
        file = File.of(words, person)
        encounters = {one.id: one for one in person.encounters if one.site == name}
        strangers = self._strangers(name, person)
        for told in encounters.values():
            patient = strangers.get(told.id, (told.patient, ""))[0]
            pid = strangers[told.id][1] if told.id in strangers else file.pid(patient, told.start)
            yield from visits(file, told, pid, patient)
            yield from self._charted(words, person, told, (patient, pid))
        yield from changed(file, encounters)

    def _charted(
        self, words: Words, person: Person, told: Encounter, whom: tuple[str, str]
    ) -> Iterator[Message]:
        patient, pid = whom
        orders, place = self._orders[words.site.name], _Places(words, told, pid)
        corrections = {
            one.target: (one.at, one.value)
            for one in person.changes
            if one.kind == changes.RESULT_CORRECTED
        }
        copies = {
            one.target: one.at for one in person.changes if one.kind == changes.PANEL_DUPLICATED
        }
        for panel in told.panels:
            header = place.header(panel.ordered)
            visit = Visit(told, patient, header, corrections, copies)
            yield from orders.panel(visit, panel)
        for image in told.imaging:
            header = place.header(image.ordered)
            yield from orders.imaging(Visit(told, patient, header, {}, {}), image)
        for document in told.documents:
            found = note(words, place.header(document.minute), told, document, patient)
            if found is not None:
                yield found

    def _strangers(self, name: str, person: Person) -> dict[str, tuple[str, str]]:
        """Encounters that are charted for somebody else until they are moved: id and PID of
        theirs."""
        found = {}
        for change in person.changes:
            if change.kind == changes.ENCOUNTER_MOVED and change.site == name:
                words = self._words[name]
                number = words.site.local(int(change.other[1:]))
                stranger = self._population.person(number)
                told = next(one for one in stranger.at_site(name) if one.id == change.other)
                found[change.target] = (change.other, words.patient(stranger, told))
        return found


class _Places:
    """PID and PV1 of an encounter, by the ward in which the patient is."""

    def __init__(self, words: Words, told: Encounter, pid: str) -> None:
        self._moves = told.moves
        self._headers = [pid + words.visit(told, move) for move in told.moves or (None,)]

    def header(self, minute: int) -> str:
        place = 0
        while place + 1 < len(self._moves) and self._moves[place + 1].start <= minute:
            place += 1
        return self._headers[place]


def _at(message: Message) -> int:
    return message.at
