"""What a second and a third export change: each edit belongs to one person, by number.

Together they are what a lake has to get right: corrections, late records, late versions, deletions,
a record that moves to another patient, one that cannot be used yet and one that cannot be read.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from lakehouse.datasets.sample.charts import chart
from lakehouse.datasets.sample.measurements import observation_id
from lakehouse.datasets.sample.records import Body, Record, Site, visit_id
from lakehouse.datasets.sample.story import DAY, END, HOUR, Person

CORRECTED, TWICE, MOVED, AGAIN, UNCODED = 1, 2, 3, 4, 5
LATE, RECEIVER, CUT, ERASED, URGENT = 6, 7, 8, 9, 10
LAST = 3
_NEW_HOME: Body = {
    "use": "home",
    "line": ["1 New Street"],
    "city": "Westhaven",
    "postalCode": "00009",
}

Edit = Callable[[Site, Person], Iterator[Record]]


def is_held(record: Record) -> bool:
    """True for what the first export leaves out though it was already written down."""
    return record.id == f"p{LATE:04}-e1-1-29463-7"


def _find(site: Site, person: Person, kind: str, identity: str) -> Record:
    found = (r for r in chart(site, person, END + DAY) if (r.kind, r.id) == (kind, identity))
    return next(found)


def _last(person: Person, code: str) -> str:
    """The id of what was measured first in a person's last visit."""
    return observation_id(person, person.visits[-1], 1, code)


def _changed(record: Record, updated: int, **changes: object) -> Record:
    return Record({**record.body, **changes}, record.version + 1, updated)


def _correct(site: Site, person: Person) -> Iterator[Record]:
    """A heart rate gets another value, and a respiratory rate was never this patient's."""
    rate = _find(site, person, "Observation", _last(person, "8867-4"))
    quantity = {**rate.body["valueQuantity"], "value": rate.body["valueQuantity"]["value"] + 7}
    yield _changed(rate, END + 2 * HOUR, status="corrected", valueQuantity=quantity)
    breaths = _find(site, person, "Observation", _last(person, "9279-1"))
    yield _changed(breaths, END + 2 * HOUR, status="entered-in-error")


def moved_house(site: Site, person: Person) -> Iterator[Record]:
    """The patient's second version, which the first export already has."""
    first = _find(site, person, "Patient", person.id)
    yield _changed(first, END - 2 * HOUR, address=[_NEW_HOME])


def _late_version(site: Site, person: Person) -> Iterator[Record]:
    """The version before the one that is there: it comes late and must not win."""
    yield _find(site, person, "Patient", person.id)


def _move(site: Site, person: Person) -> Iterator[Record]:
    """A whole visit turns out to be another patient's."""
    visit = visit_id(person, person.visits[0])
    for record in chart(site, person, END):
        if record.id == visit or record.id.startswith(f"{visit}-"):
            yield _changed(record, END + 3 * HOUR, subject={"reference": f"Patient/p{RECEIVER:04}"})


def _same_again(site: Site, person: Person) -> Iterator[Record]:
    """The same content with a newer version time."""
    first = _find(site, person, "Patient", person.id)
    yield Record(first.body, 3, END + 4 * HOUR)


def _between(site: Site, person: Person) -> Iterator[Record]:
    """A version older than the one that came again: it must not win either."""
    first = _find(site, person, "Patient", person.id)
    yield Record({**first.body, "address": [_NEW_HOME]}, 2, END - HOUR)


def _uncoded(site: Site, person: Person) -> Iterator[Record]:
    """A temperature of which nobody said what it is."""
    body = dict(_find(site, person, "Observation", _last(person, "8310-5")).body)
    body["id"] = f"{person.id}-uncoded"
    del body["code"]
    yield Record(body, 1, END + 5 * HOUR)


def _coded(site: Site, person: Person) -> Iterator[Record]:
    body = _find(site, person, "Observation", _last(person, "8310-5")).body
    yield Record({**body, "id": f"{person.id}-uncoded"}, 2, END + DAY + HOUR)


def _whole(site: Site, person: Person) -> Iterator[Record]:
    body = _find(site, person, "Observation", _last(person, "8867-4")).body
    yield Record({**body, "id": f"{person.id}-cut"}, 1, END + 6 * HOUR)


def _held(site: Site, person: Person) -> Iterator[Record]:
    """A weight that was written down long ago and was not in the first export."""
    yield from (record for record in chart(site, person, END) if is_held(record))


def _urgent(site: Site, person: Person) -> Iterator[Record]:
    """The second stay was no planned one after all."""
    stay = _find(site, person, "Encounter", visit_id(person, person.visits[-1]))
    priority = json.loads(json.dumps(stay.body["priority"]).replace("EL", "EM"))
    yield _changed(stay, END + 7 * HOUR, priority=priority)


SECOND: Mapping[int, Edit] = MappingProxyType(
    {
        CORRECTED: _correct,
        TWICE: _late_version,
        MOVED: _move,
        AGAIN: _same_again,
        UNCODED: _uncoded,
        LATE: _held,
        URGENT: _urgent,
    }
)
THIRD: Mapping[int, Edit] = MappingProxyType({AGAIN: _between, UNCODED: _coded, CUT: _whole})


def cut_lines(site: Site, people: Mapping[int, Person]) -> Iterator[bytes]:
    """A line of the second export that ends too early; the third has the whole of it."""
    for record in _whole(site, people[CUT]):
        yield json.dumps(record.resource()).encode()[:-100]


def erased(site: Site, people: Mapping[int, Person]) -> list[str]:
    """What the site deletes before the second export, as Type/id: a stay with all its records."""
    person = people[ERASED]
    visit = visit_id(person, person.visits[-1])
    records = (r for r in chart(site, person, END) if r.id == visit or r.id.startswith(f"{visit}-"))
    return [f"{record.kind}/{record.id}" for record in records]
