"""Headers, and where in them somebody could be known: each such value is marked when it is set."""

from typing import NamedTuple

from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset

from lakehouse.datasets.synthetic.dice import scatter
from lakehouse.datasets.synthetic.formats.dicom.study import Study, person_name, staff_name
from lakehouse.datasets.synthetic.phi import PhiClass
from lakehouse.datasets.synthetic.truth import MARK
from lakehouse.datasets.synthetic.words.codes import LOINC, Code

PRIVATE = "HTEST SCANNER 01"
"""The creator of the private elements in group 0019."""
PRIVATE_ELEMENTS = {0x01: "LO", 0x02: "DA", 0x03: "SQ", 0x04: "PN", 0x05: "DS", 0x06: "SH"}
"""VR by the last byte of the element number: name and number of the patient, birth date, a
sequence with the name of the technologist, a calibration, the station."""

_GROUP = 0x0019
_SCHEMES = {LOINC: "LN", "http://snomed.info/sct": "SCT"}


class Mark(NamedTuple):
    """Characters of one value by which somebody could be known. `path` is of tags, like
    00400275[0].00400009."""

    path: str
    start: int
    phi: PhiClass
    text: str


class Header:
    """A data set while it is written."""

    def __init__(self, path: str = "", marks: list[Mark] | None = None) -> None:
        self.dataset = Dataset()
        self.marks: list[Mark] = [] if marks is None else marks
        self._path = path

    def put(self, **values: object) -> None:
        """Set elements by keyword."""
        for keyword, value in values.items():
            setattr(self.dataset, keyword, value)

    def tell(self, phi: PhiClass, **values: str | None) -> None:
        """Set elements by keyword that are PHI whole; those of None are left out."""
        for keyword, value in values.items():
            if value:
                setattr(self.dataset, keyword, value)
                self._mark(_hex(keyword), 0, phi, value)

    def say(self, keyword: str, *pieces: tuple[str, PhiClass | None]) -> None:
        """Set an element to a text of pieces, some of which are PHI."""
        place = 0
        for text, phi in pieces:
            if phi is not None:
                self._mark(_hex(keyword), place, phi, text)
            place += len(text)
        setattr(self.dataset, keyword, "".join(text for text, _ in pieces))

    def item(self, keyword: str) -> "Header":
        """A new item of a sequence."""
        if keyword not in self.dataset:
            setattr(self.dataset, keyword, [])
        items = self.dataset[keyword].value
        inner = Header(f"{self._path}{_hex(keyword)}[{len(items)}].", self.marks)
        items.append(inner.dataset)
        return inner

    def code(self, keyword: str, code: Code, scheme: str = "") -> None:
        """An item that is a code."""
        self.item(keyword).put(
            CodeValue=code.code,
            CodingSchemeDesignator=scheme or _SCHEMES.get(code.system, code.system),
            CodeMeaning=code.display[:64],
        )

    def private(self, element: int, value: object, phi: PhiClass | None = None) -> None:
        """Set an element of the private block."""
        block = self.dataset.private_block(_GROUP, PRIVATE, create=True)
        block.add_new(element, PRIVATE_ELEMENTS[element], value)
        if phi is not None:
            self._mark(f"{_GROUP:04X}10{element:02X}", 0, phi, str(value))

    def private_item(self, element: int) -> "Header":
        """The one item of a private sequence."""
        inner = Header(f"{self._path}{_GROUP:04X}10{element:02X}[0].", self.marks)
        self.private(element, [inner.dataset])
        return inner

    def _mark(self, tag: str, start: int, phi: PhiClass, text: str) -> None:
        self.marks.append(Mark(f"{self._path}{tag}", start, phi, text))


def _hex(keyword: str) -> str:
    return f"{tag_for_keyword(keyword):08X}"


def header(study: Study, modality: str, minute: int) -> Header:
    """What all series of a study say, for a series that was made in a minute."""
    told = Header()
    told.put(SpecificCharacterSet=study.charset)
    _patient(told, study)
    _study(told, study)
    _series(told, study, modality, minute)
    return told


def _patient(told: Header, study: Study) -> None:
    ours, person = study.registration, study.person
    who = ours.demographics
    name = person_name(who.family, who.given, who.middle)
    told.tell(PhiClass.PATIENT_NAME, PatientName=name)
    told.tell(PhiClass.MRN, PatientID=ours.mrn)
    told.put(IssuerOfPatientID=study.site.name.upper(), PatientComments=MARK)
    told.tell(PhiClass.BIRTH_DATE, PatientBirthDate=f"{who.born:%Y%m%d}")
    told.put(PatientSex="F" if who.sex == "female" else "M")
    told.tell(PhiClass.PHONE, PatientTelephoneNumbers=who.phone)
    told.tell(PhiClass.ADDRESS, PatientAddress=f"{who.address.line}, {who.address.city}")
    for kind, number, issuer in (
        (PhiClass.INSURANCE_NUMBER, person.insurance_number, "PAYER"),
        (PhiClass.SSN, who.ssn, "SSN"),
    ):
        if number:
            other = told.item("OtherPatientIDsSequence")
            other.tell(kind, PatientID=number)
            other.put(IssuerOfPatientID=issuer, TypeOfPatientID="TEXT")
    told.put(PatientWeight=f"{person.weight // 10}.{person.weight % 10}")
    told.put(PatientSize=f"{person.height // 100}.{person.height % 100:02}")
    told.say(
        "AdditionalPatientHistory",
        (study.encounter.reason.display + ". ", None),
        (f"{who.given} {who.family}", PhiClass.PATIENT_NAME),
        (", contact ", None),
        (f"{person.contact.given} {person.contact.family}", PhiClass.RELATIVE_NAME),
        (" ", None),
        (person.contact.phone, PhiClass.PHONE),
    )
    _former_name(told, study)


def _former_name(told: Header, study: Study) -> None:
    """The archive corrected the name, and keeps what stood there (PS3.3 C.12.1.1.9)."""
    who, image = study.registration.demographics, study.imaging
    old = told.item("OriginalAttributesSequence")
    at = study.day(image.performed) + study.time(image.performed, 40)
    old.tell(PhiClass.DATE, AttributeModificationDateTime=at)
    old.put(
        ModifyingSystem="ARCHIVE",
        SourceOfPreviousValues="MODALITY",
        ReasonForTheAttributeModification="COERCE",
    )
    inner = old.item("ModifiedAttributesSequence")
    name = person_name(study.person.former_family, who.given)
    inner.tell(PhiClass.PATIENT_NAME, PatientName=name)


def _study(told: Header, study: Study) -> None:
    image, site, attending = study.imaging, study.site, study.attending
    told.put(StudyInstanceUID=image.study_uid, StudyTime=study.time(image.performed))
    told.put(StudyDescription=image.examination.name)
    told.put(TimezoneOffsetFromUTC=site.zone.offset(image.performed).replace(":", ""))
    told.tell(PhiClass.DATE, StudyDate=study.day(image.performed))
    told.tell(PhiClass.ACCESSION, AccessionNumber=image.accession)
    told.tell(PhiClass.RECORD_ID, StudyID=image.placer)
    told.tell(PhiClass.VISIT_NUMBER, AdmissionID=study.encounter.visit_number)
    told.code("ProcedureCodeSequence", image.examination.code)
    told.tell(PhiClass.STAFF_NAME, ReferringPhysicianName=staff_name(attending))
    referrer = told.item("ReferringPhysicianIdentificationSequence")
    referrer.tell(PhiClass.ORGANIZATION, InstitutionName=f"{site.title} General Hospital")
    code = referrer.item("PersonIdentificationCodeSequence")
    code.tell(PhiClass.STAFF_ID, CodeValue=attending.npi)
    code.put(CodingSchemeDesignator="99NPI", CodeMeaning="National Provider Identifier")
    told.tell(PhiClass.STAFF_NAME, NameOfPhysiciansReadingStudy=staff_name(study.radiologist))


def _series(told: Header, study: Study, modality: str, minute: int) -> None:
    site = study.site
    told.put(Modality=modality, SeriesTime=study.time(minute), ContentTime=study.time(minute))
    told.put(
        Manufacturer="HTEST Imaging",
        ManufacturerModelName=f"Synthetic {modality}",
        SoftwareVersions="1",
        StationName=f"{site.name.upper()[:10]}{modality}1",
    )
    told.tell(PhiClass.DATE, SeriesDate=study.day(minute), ContentDate=study.day(minute))
    told.tell(PhiClass.ORGANIZATION, InstitutionName=f"{site.title} General Hospital")
    serial = f"HT{scatter(site.index, sum(modality.encode())) % 10**6:06}"
    told.tell(PhiClass.DEVICE_SERIAL, DeviceSerialNumber=serial)
    if modality not in ("SEG", "SR"):
        told.tell(PhiClass.STAFF_NAME, OperatorsName=staff_name(study.operator))
        _request(told, study)
        _private(told, study)


def _request(told: Header, study: Study) -> None:
    image = study.imaging
    request = told.item("RequestAttributesSequence")
    request.tell(PhiClass.ACCESSION, AccessionNumber=image.accession)
    request.tell(
        PhiClass.RECORD_ID, RequestedProcedureID=image.placer, ScheduledProcedureStepID=image.placer
    )
    request.put(ScheduledProcedureStepDescription=image.examination.name)
    family = study.registration.demographics.family
    request.say(
        "RequestedProcedureDescription",
        (image.examination.name + " ", None),
        (family, PhiClass.PATIENT_NAME),
    )
    request.code("RequestedProcedureCodeSequence", image.examination.code)


def _private(told: Header, study: Study) -> None:
    ours = study.registration
    who = ours.demographics
    told.private(0x01, f"{who.family} {ours.mrn}"[:64])
    told.marks += (
        Mark("00191001", 0, PhiClass.PATIENT_NAME, who.family),
        Mark("00191001", len(who.family) + 1, PhiClass.MRN, ours.mrn),
    )
    told.private(0x02, f"{who.born:%Y%m%d}", PhiClass.BIRTH_DATE)
    told.private(0x05, "1.25")
    inner = told.private_item(0x03)
    inner.private(0x04, staff_name(study.operator), PhiClass.STAFF_NAME)
    inner.private(0x06, f"{study.site.name.upper()[:10]}1")
