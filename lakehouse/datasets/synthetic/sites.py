"""The hospitals: their zones, habits, staff, wards, and how they number people."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple
from zoneinfo import ZoneInfoNotFoundError

from lakehouse.datasets.synthetic.clock import Zone
from lakehouse.datasets.synthetic.dice import Dice
from lakehouse.datasets.synthetic.words.names import CULTURES, SPECIALTIES
from lakehouse.errors import SpecError

WARDS = MappingProxyType(
    {
        "ed": "Emergency Department",
        "med": "Medicine",
        "surg": "Surgery",
        "icu": "Intensive Care",
        "ob": "Obstetrics",
        "rehab": "Rehabilitation",
        "clinic": "Outpatient Clinic",
    }
)
"""The same keys at every site; `rehab` belongs to the partner organization."""
EMERGENCY, INTERNAL, SURGERY, INTENSIVE, OBSTETRICS, FAMILY, RADIOLOGY, CARDIOLOGY = range(8)
"""The specialties, by their place in `words.names.SPECIALTIES`."""

_STAFF = 24
_ZONES = ("America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles")
_CLASH = 5


class Practitioner(NamedTuple):
    """Somebody who works at a site; `npi` has the form and check digit of one, and begins with
    9."""

    number: int
    id: str
    npi: str
    given: str
    family: str
    specialty: int


@dataclass(frozen=True, slots=True)
class Site:
    """One hospital with a record system of its own."""

    name: str
    index: int
    zone: Zone
    writes_utc: bool
    uses_fahrenheit: bool
    staff: tuple[Practitioner, ...]

    @property
    def title(self) -> str:
        """The name as people write it, like North."""
        return self.name.title()

    def local(self, number: int) -> int:
        """How the site numbers a person: the same number is somebody else's at the next site."""
        return number ^ _CLASH * self.index

    def patient_id(self, number: int, *, again: bool = False) -> str:
        """The id of a person's registration here; `again` for the second one."""
        return f"{'q' if again else 'p'}{self.local(number):06}"

    def mrn(self, number: int, *, again: bool = False) -> str:
        """The medical record number, which also clashes between sites."""
        return str(1_000_000 + 37 * self.local(number) + 5 * again)

    def on_duty(self, specialty: int, turn: int) -> int:
        """The number of a practitioner of a specialty."""
        return specialty + len(SPECIALTIES) * (turn % (_STAFF // len(SPECIALTIES)))


def site_of(name: str, index: int, zone: str = "") -> Site:
    """A site by its name; what follows from the name is the same in every population.

    Raises SpecError for a name that cannot be part of an id or a host name, and for no zone.
    """
    if not (name.isascii() and name.isalnum() and name.islower() and len(name) <= 20):
        raise SpecError("a site's name is up to 20 lower-case letters and digits")
    dice = Dice.of("site", name)
    try:
        told = Zone(zone or _ZONES[index % len(_ZONES)])
    except (ZoneInfoNotFoundError, ValueError):
        raise SpecError(f"the site {name} is in a time zone that is not known") from None
    staff = tuple(_practitioner(name, number, dice) for number in range(_STAFF))
    return Site(name, index, told, index % 2 == 1, index % 2 == 0, staff)


def _practitioner(site: str, number: int, dice: Dice) -> Practitioner:
    culture = dice.weighted([(culture.weight, culture) for culture in CULTURES])
    given = dice.pick(culture.female + culture.male)
    digits = f"9{dice.below(10**8):08}"
    npi = digits + _check_digit(f"80840{digits}")
    identity = f"practitioner-{number}"
    return Practitioner(
        number, identity, npi, given, dice.pick(culture.families), number % len(SPECIALTIES)
    )


def _check_digit(digits: str) -> str:
    """Luhn's check digit (ISO/IEC 7812-1 annex B)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value // 10 + value % 10
    return str(-total % 10)
