"""How a site writes: times in its own way, and resources in versions."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from lakehouse.datasets.sample.dice import Dice
from lakehouse.datasets.sample.story import BEGIN, Person, Visit

Body = dict[str, Any]

TERMS = "http://terminology.hl7.org/CodeSystem"
_TEST = {"system": f"{TERMS}/v3-ActReason", "code": "HTEST", "display": "test health data"}


@dataclass(frozen=True, slots=True)
class Site:
    """How one site writes: its zone, whether it stores times in UTC, and its thermometers."""

    name: str
    zone: ZoneInfo
    writes_utc: bool
    uses_fahrenheit: bool

    def time(self, minute: int) -> str:
        """A moment of the story as this site writes it."""
        moment = BEGIN + timedelta(minutes=minute)
        if self.writes_utc:
            return utc(minute)
        return moment.astimezone(self.zone).isoformat()


@dataclass(frozen=True, slots=True)
class Record:
    """One version of a resource, and the minute in which the site wrote it down."""

    body: Body
    version: int
    updated: int

    @property
    def kind(self) -> str:
        """The resource type."""
        return str(self.body["resourceType"])

    @property
    def id(self) -> str:
        """The resource's id at the site."""
        return str(self.body["id"])

    def resource(self) -> Body:
        """The resource with its version, marked as test data."""
        meta = {
            "versionId": str(self.version),
            "lastUpdated": utc(self.updated),
            "security": [_TEST],
        }
        kind, identity = self.body["resourceType"], self.body["id"]
        return {"resourceType": kind, "id": identity, "meta": meta, **self.body}


def utc(minute: int) -> str:
    """A moment of the story as a FHIR instant in UTC."""
    return (BEGIN + timedelta(minutes=minute)).strftime("%Y-%m-%dT%H:%M:%SZ")


def site_of(name: str, zone: str) -> Site:
    """The habits of a site, which follow from its name."""
    habits = Dice(f"site/{name}")
    return Site(name, ZoneInfo(zone), habits.chance(50, "utc"), habits.chance(50, "fahrenheit"))


def concept(system: str, code: str, display: str) -> Body:
    """A CodeableConcept with one coding."""
    return {"coding": [{"system": system, "code": code, "display": display}], "text": display}


def visit_id(person: Person, visit: Visit) -> str:
    """The id of an encounter at its site."""
    return f"{person.id}-e{visit.number}"
