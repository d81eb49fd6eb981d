"""One examination as the modality, the archive and the reader know it."""

from datetime import timedelta
from typing import NamedTuple

from lakehouse.datasets.synthetic.clock import moment
from lakehouse.datasets.synthetic.dice import Dice
from lakehouse.datasets.synthetic.model import Encounter, Imaging, Person, Registration
from lakehouse.datasets.synthetic.sites import Practitioner, Site

_UID_ROOT = "2.25."
_CAPTURE, _SEGMENTATION, _REPORT = 64, 65, 66
_STEP = 256


class Study(NamedTuple):
    """An examination with all that it is about. Sizes of images follow from `is_full`."""

    site: Site
    person: Person
    encounter: Encounter
    imaging: Imaging
    is_full: bool

    @property
    def registration(self) -> Registration:
        """The patient as the site knows them."""
        told = self.person.at_site(self.site.name)
        return next(one for one in told if one.id == self.encounter.patient)

    @property
    def attending(self) -> Practitioner:
        """Who referred the patient."""
        return self.site.staff[self.encounter.attending]

    @property
    def radiologist(self) -> Practitioner:
        """Who reads the images."""
        return self.site.staff[self.imaging.radiologist]

    @property
    def operator(self) -> Practitioner:
        """Who made them."""
        return self.site.staff[(self.imaging.radiologist + 1) % len(self.site.staff)]

    @property
    def charset(self) -> str:
        """Of the texts: the second, fourth, ... site write Latin-1 where the names allow it."""
        who, contact = self.registration.demographics, self.person.contact
        names = [who.given, who.middle, who.family, self.person.former_family]
        names += [contact.given, contact.family]
        for one in (self.attending, self.radiologist, self.operator):
            names += [one.given, one.family]
        is_latin = all(ord(letter) < 256 for letter in "".join(names))
        return "ISO_IR 100" if is_latin and self.site.index % 2 else "ISO_IR 192"

    @property
    def dice(self) -> Dice:
        """Draws for this examination."""
        return Dice(self.person.key).at(f"dicom/{self.imaging.id}")

    def uid(self, number: int) -> str:
        """A UID that belongs to the study: 1 to 255, or from 16384."""
        return f"{_UID_ROOT}{int(self.imaging.study_uid[5:]) + number}"

    @property
    def frame_of_reference(self) -> str:
        """The space in which the images of a cross-sectional study lie."""
        return self.uid(1)

    @property
    def dimensions(self) -> str:
        """The organization of the dimensions of the segmentation."""
        return self.uid(2)

    def derived(self, kind: str) -> str:
        """The series UID of what the story does not tell of: `capture`, `segmentation`,
        `report`. Its one instance is the next UID."""
        places = {
            "capture": _CAPTURE,
            "segmentation": _SEGMENTATION,
            "report": _REPORT,
        }
        return self.uid(places[kind] * _STEP)

    def day(self, minute: int) -> str:
        """DA of a minute, local."""
        return f"{moment(self.site.zone.local(minute)):%Y%m%d}"

    def time(self, minute: int, second: int = 0) -> str:
        """TM of a minute, local."""
        local = moment(self.site.zone.local(minute)) + timedelta(seconds=second)
        return f"{local:%H%M%S}"


def successor(uid: str) -> str:
    """The UID behind one."""
    return f"{_UID_ROOT}{int(uid[5:]) + 1}"


def person_name(family: str, *given: str) -> str:
    """PN: family name, given name and middle name."""
    return "^".join((family, *given)).rstrip("^")


def staff_name(who: Practitioner) -> str:
    """PN of somebody who works at the site."""
    return person_name(who.family, who.given)
