"""FHIR R4 bulk exports of each site, as a server lays them out:
`<site>/<export>/Patient.000.ndjson`.

The first export holds everything, the second what changed within a day, deletions among it, the
third what was corrected after that. Bodies follow US Core; ids follow from the model's ids, as
docs/synthetic.md says. Every resource carries HTEST in meta.security.
"""

from pathlib import Path

from lakehouse.datasets.synthetic.changes import ENCOUNTER_DELETED, ENCOUNTER_MOVED
from lakehouse.datasets.synthetic.formats.fhir import (
    encounters,
    findings,
    imaging,
    laboratory,
    orders,
    patients,
    places,
    vitals,
)
from lakehouse.datasets.synthetic.formats.fhir.sink import Sink
from lakehouse.datasets.synthetic.model import Change, Encounter, Person
from lakehouse.datasets.synthetic.population import Population
from lakehouse.datasets.synthetic.sites import Site
from lakehouse.datasets.synthetic.truth import Truth

_CHAPTERS = (
    encounters.write,
    vitals.write,
    laboratory.write,
    orders.write,
    imaging.write,
    findings.write,
)


class _Renderer:
    def __init__(self, population: Population, folder: Path) -> None:
        self._sinks = [(site, Sink(folder / site.name, site)) for site in population.sites]
        for site, sink in self._sinks:
            places.write(sink, site)

    def add(self, person: Person) -> None:
        for site, sink in self._sinks:
            if any(told.site == site.name for told in person.registrations):
                _write_person(sink, site, person)

    def close(self) -> None:
        for _, sink in self._sinks:
            sink.close()


def open_format(population: Population, folder: Path, _: Truth) -> _Renderer:
    """Exports 1 to 3 of each site of a population."""
    return _Renderer(population, folder)


def _write_person(sink: Sink, site: Site, person: Person) -> None:
    changes = {change.target: change for change in person.changes if change.site == site.name}
    sink.begin(person)
    patients.write(sink, site, person)
    for encounter in person.encounters:
        if encounter.site == site.name:
            _write_encounter(sink, person, encounter, changes)


def _write_encounter(
    sink: Sink, person: Person, encounter: Encounter, changes: dict[str, Change]
) -> None:
    change = changes.get(encounter.id)
    kind = None if change is None else change.kind
    if change is not None and kind == ENCOUNTER_MOVED:
        sink.charts(change.other, until=change.at)
        _write_chapters(sink, person, encounter, changes)
        sink.charts(encounter.patient, since=change.at)
    elif change is not None and kind == ENCOUNTER_DELETED:
        sink.charts(encounter.patient, until=change.at)
    else:
        sink.charts(encounter.patient)
    _write_chapters(sink, person, encounter, changes)
    if change is not None and kind == ENCOUNTER_DELETED:
        sink.delete_written(change.at)


def _write_chapters(
    sink: Sink, person: Person, encounter: Encounter, changes: dict[str, Change]
) -> None:
    for write in _CHAPTERS:
        write(sink, person, encounter, changes)
