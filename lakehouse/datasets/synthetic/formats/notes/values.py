"""What a note may say of the patient, the stay and those who write: values by name."""

from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

from lakehouse.datasets.synthetic.clock import moment
from lakehouse.datasets.synthetic.formats.notes.pieces import Value
from lakehouse.datasets.synthetic.model import (
    Document,
    Encounter,
    Imaging,
    Person,
    Registration,
)
from lakehouse.datasets.synthetic.phi import PhiClass
from lakehouse.datasets.synthetic.sites import Practitioner, Site
from lakehouse.datasets.synthetic.words.names import PAYERS, SPECIALTIES

_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
_AGED = 89
_DAY = 24 * 60
_UNKNOWN = Value("not on file")


class Case(NamedTuple):
    """A document and all that it is about."""

    site: Site
    person: Person
    encounter: Encounter
    document: Document

    @property
    def registration(self) -> Registration:
        """The patient as the site knows them."""
        told = self.person.at_site(self.site.name)
        return next(one for one in told if one.id == self.encounter.patient)

    @property
    def author(self) -> Practitioner:
        """Who writes."""
        return self.site.staff[self.document.author]

    @property
    def imaging(self) -> Imaging | None:
        """The examination that a report is of."""
        told = self.encounter.imaging
        return next((one for one in told if one.id == self.document.about), None)

    def earlier(self, image: Imaging) -> Imaging | None:
        """The examination of the patient at the site that came before one."""
        told = [
            one
            for encounter in self.person.encounters
            for one in encounter.imaging
            if encounter.site == self.site.name and one.performed < image.performed
        ]
        return max(told, key=lambda one: one.performed, default=None)

    def day(self, minute: int) -> Value:
        """The local date of a minute as the author writes dates."""
        local = moment(self.site.zone.local(minute)).date()
        return Value(self.written(local), PhiClass.DATE)

    def time(self, minute: int) -> str:
        """The local time of day."""
        return moment(self.site.zone.local(minute)).strftime("%H:%M")

    def written(self, day: date) -> str:
        """A date as the author writes dates: each has one way of four."""
        month = _MONTHS[day.month - 1]
        return (
            f"{day.month:02}/{day.day:02}/{day.year}",
            day.isoformat(),
            f"{month} {day.day}, {day.year}",
            f"{day.day:02}-{month[:3]}-{day.year}",
        )[self.document.author % 4]


def values_of(case: Case) -> dict[str, Value]:
    """All values by their names in the templates of `words.phrases`."""
    return dict((*_patient(case), *_stay(case), *_others(case)))


def _patient(case: Case) -> Iterator[tuple[str, Value]]:
    told = case.registration.demographics
    name = PhiClass.PATIENT_NAME
    yield "patient", Value(" ".join(filter(None, (told.given, told.middle, told.family))), name)
    yield "listed", Value(f"{told.family}, {told.given}", name)
    yield "family", Value(told.family, name)
    yield "given", Value(told.given, name)
    yield "nickname", Value(case.person.nickname, name)
    yield "title", Value("Ms." if told.sex == "female" else "Mr.")
    yield "sex", Value("woman" if told.sex == "female" else "man")
    yield "they", Value("She" if told.sex == "female" else "He")
    yield "born", Value(case.written(told.born), PhiClass.BIRTH_DATE)
    age = _age(told.born, moment(case.site.zone.local(case.document.minute)).date())
    yield "age", Value(str(age), PhiClass.AGE if age > _AGED else None)
    home = told.address
    line = f"{home.line}, {home.city}, {home.state} {home.postal_code}"
    yield "address", Value(line, PhiClass.ADDRESS)
    yield "phone", Value(told.phone, PhiClass.PHONE) if told.phone else _UNKNOWN
    yield "email", Value(told.email, PhiClass.EMAIL) if told.email else _UNKNOWN
    yield "ssn", Value(told.ssn, PhiClass.SSN) if told.ssn else _UNKNOWN
    yield "mrn", Value(case.registration.mrn, PhiClass.MRN)


def _stay(case: Case) -> Iterator[tuple[str, Value]]:
    encounter, minute = case.encounter, case.document.minute
    yield "visit", Value(encounter.visit_number, PhiClass.VISIT_NUMBER)
    yield "document", Value(case.document.id, PhiClass.RECORD_ID)
    yield "admitted", case.day(encounter.start)
    yield "written", case.day(minute)
    yield "time", Value(case.time(minute))
    yield "ended", case.day(encounter.end)
    yield "again", case.day(encounter.end + 14 * _DAY)
    yield "reason", Value(encounter.reason.display)
    if image := case.imaging:
        yield "accession", Value(image.accession, PhiClass.ACCESSION)
        yield "order", Value(image.placer, PhiClass.RECORD_ID)
        yield "performed", case.day(image.performed)
        yield "examination", Value(image.examination.name)
        if earlier := case.earlier(image):
            yield "earlier", Value(earlier.examination.name)
            yield "before", case.day(earlier.performed)


def _others(case: Case) -> Iterator[tuple[str, Value]]:
    person, staff = case.person, case.site.staff
    author, attending = case.author, staff[case.encounter.attending]
    yield "author", Value(f"{author.given} {author.family}", PhiClass.STAFF_NAME)
    yield "attending", Value(f"{attending.given} {attending.family}", PhiClass.STAFF_NAME)
    yield "npi", Value(author.npi, PhiClass.STAFF_ID)
    yield "specialty", Value(SPECIALTIES[author.specialty])
    yield "hospital", Value(f"{case.site.title} General Hospital", PhiClass.ORGANIZATION)
    relative = person.contact
    yield "relative", Value(f"{relative.given} {relative.family}", PhiClass.RELATIVE_NAME)
    yield "relation", Value(relative.relationship.display)
    yield "relative_phone", Value(relative.phone, PhiClass.PHONE)
    yield "insurance", Value(person.insurance_number, PhiClass.INSURANCE_NUMBER)
    yield "payer", Value(PAYERS[person.payer])


def _age(born: date, day: date) -> int:
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))
