"""Segments of HL7 v2.5.1 as one site writes them: times, people, places.

Table numbers are those of the standard, chapter 2C. Every segment ends in a carriage return.
"""

from functools import lru_cache
from typing import NamedTuple

from lakehouse.datasets.synthetic.clock import DAY, date_of
from lakehouse.datasets.synthetic.model import Address, Encounter, Move, Person, Registration
from lakehouse.datasets.synthetic.sites import WARDS, Practitioner, Site
from lakehouse.datasets.synthetic.truth import MARK
from lakehouse.datasets.synthetic.words.names import PAYERS, SPECIALTIES

LATIN, UNICODE = "8859/1", "UNICODE UTF-8"
"""Character sets of table 0211."""
MARKED = f"ZSY|1|{MARK}\r".encode()
"""The site's own segment at the end of each message: it says that nobody is meant."""

_BEFORE = 3 * 366
_DAYS = tuple(date_of(day * DAY).isoformat().replace("-", "") for day in range(-_BEFORE, _BEFORE))
_CLOCK = tuple(f"{minute // 60:02}{minute % 60:02}00" for minute in range(DAY))
_ESCAPES = str.maketrans({"|": "\\F\\", "^": "\\S\\", "~": "\\R\\", "&": "\\T\\", "\\": "\\E\\"})
_CLASSES = {"AMB": "O", "EMER": "E", "IMP": "I"}
# table 0112, from FHIR's discharge-disposition
_DISPOSITIONS = {
    "home": "01",
    "exp": "20",
    "aadvice": "07",
    "other-hcf": "02",
    "snf": "03",
    "rehab": "62",
}


class Message(NamedTuple):
    """A message before it has a header: event like `ADT^A01^ADT_A01`, and the segments below
    MSH."""

    at: int
    event: str
    body: str
    patient: str
    encounter: str = ""
    is_again: bool = False
    """Whether it only says: the message of this event and encounter arrives again, as it was."""


class Words:
    r"""How a site says things.

    Sites of even number write times with their offset, a line break as `\.br\`, and UTF-8; the
    others write local times and nothing more, `\X0D0A\`, and Latin-1 as long as it will do.
    """

    def __init__(self, site: Site) -> None:
        self.site = site
        self.facility = site.name.upper()
        self.is_plain = site.index % 2 == 1
        self.line_break = "\\X0D0A\\" if self.is_plain else "\\.br\\"
        self._local = site.zone.local
        self._clocks = _Clocks(self.is_plain)
        self.staff = tuple(_practitioner(one) for one in site.staff)

    def stamp(self, minute: int) -> str:
        """TS: the local time, like 20261114190000-0500."""
        local = self._local(minute)
        day, clock = divmod(local, DAY)
        return _DAYS[day + _BEFORE] + self._clocks[local - minute][clock]

    def lines(self, *texts: str) -> str:
        """Free text of several lines."""
        return self.line_break.join(escape(text) for text in texts)

    def patient(self, person: Person, told: Registration, address: Address | None = None) -> str:
        """PID as the site believes it, with its own numbers; `address` instead of the one it
        has."""
        who, home = told.demographics, address or told.demographics.address
        ids = f"{told.mrn}^^^{self.facility}^MR~{told.id}^^^{self.facility}^PI"
        if who.ssn:
            ids += f"~{who.ssn}^^^USSSA^SS"
        name = f"{escape(who.family)}^{escape(who.given)}^{escape(who.middle)}^^^^L"
        street = f"{escape(home.line)}^^{escape(home.city)}^{home.state}^{home.postal_code}^USA^H"
        race = f"{person.race.code}^{person.race.display}^CDCREC"
        ethnicity = f"{person.ethnicity.code}^{person.ethnicity.display}^CDCREC"
        born, sex = who.born.isoformat().replace("-", ""), "F" if who.sex == "female" else "M"
        return (
            f"PID|1||{ids}||{name}||{born}|{sex}||{race}|{street}||{_phone(who.phone, who.email)}"
            f"||{person.language}|{person.marital}||||||{ethnicity}\r"
        )

    def kin(self, person: Person) -> str:
        """NK1: whom to call."""
        kin = person.contact
        relation = f"{kin.relationship.code}^{kin.relationship.display}^HL70063"
        name = f"{escape(kin.family)}^{escape(kin.given)}^^^^^L"
        return f"NK1|1|{name}|{relation}||{_phone(kin.phone, None)}\r"

    def insurance(self, person: Person) -> str:
        """IN1: who pays."""
        payer = PAYERS[person.payer]
        plan = f"P{person.payer}^{payer}^L|P{person.payer}^^^{self.facility}^XX|{payer}"
        return f"IN1|1|{plan}{'|' * 32}{person.insurance_number}\r"

    def visit(
        self,
        told: Encounter,
        place: Move | None = None,
        prior: Move | None = None,
        *,
        is_over: bool = False,
        is_elective: bool | None = None,
    ) -> str:
        """PV1 while the patient is in a place, or once they have left (`is_over`)."""
        doctor = self.staff[told.attending]
        elective = told.is_elective if is_elective is None else is_elective
        kind = "L" if elective else "E" if told.setting != "AMB" else "R"
        service = escape(SPECIALTIES[self.site.staff[told.attending].specialty])
        left = _DISPOSITIONS[told.disposition] if is_over else ""
        end = f"{'|' * 17}{left}{'|' * 8}{self.stamp(told.start)}"
        if is_over:
            end += f"|{self.stamp(told.end)}"
        return (
            f"PV1|1|{_CLASSES[told.setting]}|{self.place(place)}|{kind}||"
            f"{self.place(prior) if prior else ''}|{doctor}|||{service}|||||||{doctor}||"
            f"{told.visit_number}^^^{self.facility}^VN{end}\r"
        )

    def place(self, move: Move | None) -> str:
        """PL: point of care, room and bed, facility; the clinic where there is no bed."""
        if move is None:
            return f"CLINIC^^^{self.facility}^^^^^{WARDS['clinic']}"
        return f"{move.ward.upper()}^^{move.bed}^{self.facility}^^^^^{WARDS[move.ward]}"


class _Clocks(dict[int, tuple[str, ...]]):
    """The texts of all minutes of a day, by how far local time is from UTC."""

    def __init__(self, is_plain: bool) -> None:
        super().__init__()
        self._is_plain = is_plain

    def __missing__(self, offset: int) -> tuple[str, ...]:
        tail = "" if self._is_plain else _offset(offset)
        self[offset] = tuple(f"{text}{tail}" for text in _CLOCK)
        return self[offset]


@lru_cache(maxsize=4096)
def escape(text: str) -> str:
    """Free text in which no delimiter is one (chapter 2.7)."""
    return text.translate(_ESCAPES)


def decimal(value: int, parts: int) -> str:
    """A number of 1/`parts`, like 7.35."""
    if parts == 1:
        return str(value)
    width = len(str(parts)) - 1
    return f"{value // parts}.{value % parts:0{width}}"


def _offset(minutes: int) -> str:
    hours, rest = divmod(abs(minutes), 60)
    return f"{'-' if minutes < 0 else '+'}{hours:02}{rest:02}"


def _practitioner(one: Practitioner) -> str:
    name = f"{one.npi}^{escape(one.family)}^{escape(one.given)}"
    return f"{name}^^^^MD^^&2.16.840.1.113883.4.6&ISO^L^^^NPI"


def _phone(phone: str | None, email: str | None) -> str:
    numbers = [f"{phone}^PRN^PH"] if phone else []
    numbers += [f"^NET^Internet^{email}"] if email else []
    return "~".join(numbers)
