"""What became of a stay: whether the patient came back within 30 days, got worse, or died."""

from collections.abc import Callable, Iterator
from functools import partial

from lakehouse.datasets.synthetic.changes import (
    ENCOUNTER_DELETED,
    ENCOUNTER_RECLASSIFIED,
)
from lakehouse.datasets.synthetic.clock import DAY, utc
from lakehouse.datasets.synthetic.model import Encounter, Person
from lakehouse.datasets.synthetic.population import Population

_WINDOW = 30
_NO_INDEX = ("exp", "aadvice")
_TRANSFER = "other-hcf"


def outcomes(person: Person, population: Population) -> Iterator[dict[str, object]]:
    """One row a stay that is not deleted in the end.

    `is_readmitted` is about the person; `is_readmitted_as_charted` about what one site can know
    from the patient id that it charted the stays under. Stays that touch, or that a transfer joins
    within a day, are one episode, known by its first stay; the rest have no outcome. An episode
    that ends in death, against advice or with a transfer to elsewhere is no index. A planned stay
    is no readmission, and after it nothing counts. Days are those of the site.
    """
    gone = {one.target for one in person.changes if one.kind == ENCOUNTER_DELETED}
    urgent = {one.target for one in person.changes if one.kind == ENCOUNTER_RECLASSIFIED}
    stays = [one for one in person.encounters if one.is_inpatient and one.id not in gone]
    day = partial(_day, population)
    whole = _judged(stays, urgent, day)
    charted: dict[str, bool | None] = {}
    for key in {(one.site, one.patient) for one in stays}:
        charted |= _judged([one for one in stays if (one.site, one.patient) == key], urgent, day)
    for stay in stays:
        yield {
            "person": person.id,
            "site": stay.site,
            "patient": stay.patient,
            "encounter": stay.id,
            "is_readmitted": whole[stay.id],
            "is_readmitted_as_charted": charted[stay.id],
            "deteriorated_at": None if stay.deteriorated is None else utc(stay.deteriorated),
            "died": stay.disposition == "exp",
        }


def _day(population: Population, stay: Encounter, minute: int) -> int:
    return population.site(stay.site).zone.local(minute) // DAY


def _judged(
    stays: list[Encounter], urgent: set[str], day: Callable[[Encounter, int], int]
) -> dict[str, bool | None]:
    """By stay: readmitted or not, or None where it is no index."""
    found: dict[str, bool | None] = {stay.id: None for stay in stays}
    episodes: list[list[Encounter]] = []
    for stay in stays:
        if episodes and _goes_on(episodes[-1][-1], stay, day):
            episodes[-1].append(stay)
        else:
            episodes.append([stay])
    for place, episode in enumerate(episodes):
        last = episode[-1]
        if last.disposition in (*_NO_INDEX, _TRANSFER):
            continue
        following = episodes[place + 1][0] if place + 1 < len(episodes) else None
        is_back = following is not None and (not following.is_elective or following.id in urgent)
        found[episode[0].id] = (
            is_back
            and following is not None
            and day(following, following.start) - day(last, last.end) <= _WINDOW
        )
    return found


def _goes_on(before: Encounter, after: Encounter, day: Callable[[Encounter, int], int]) -> bool:
    is_near = day(after, after.start) - day(before, before.end) <= 1
    is_transfer = before.disposition == _TRANSFER or before.organization != after.organization
    return after.start <= before.end or (is_near and is_transfer)
