"""Notes as C-CDA R2.1 documents: the US Realm Header, and sections of narrative text."""

from xml.sax.saxutils import escape

from lakehouse.datasets.synthetic.clock import moment
from lakehouse.datasets.synthetic.formats.notes.pieces import Line, Page, Piece
from lakehouse.datasets.synthetic.formats.notes.writing import Note
from lakehouse.datasets.synthetic.model import Demographics
from lakehouse.datasets.synthetic.phi import PhiClass
from lakehouse.datasets.synthetic.sites import Practitioner
from lakehouse.datasets.synthetic.truth import MARK
from lakehouse.datasets.synthetic.words.codes import Code
from lakehouse.datasets.synthetic.words.phrases import Part

_DCM = "1.2.840.10008.2.16.4"
_LOINC = "2.16.840.1.113883.6.1"
_HEADER = "2.16.840.1.113883.10.20.22.1.1:2015-08-01"
_EXAMPLE = "2.16.840.1.113883.19.5"
"""The root that HL7 uses in examples; a site is one step below it."""
_SSN, _NPI = "2.16.840.1.113883.4.1", "2.16.840.1.113883.4.6"
_NUBC = "2.16.840.1.113883.6.301.5"
_DISPOSITIONS = {
    "home": "01",
    "other-hcf": "02",
    "snf": "03",
    "aadvice": "07",
    "exp": "20",
    "rehab": "62",
}
"""Patient discharge status, form locator 17 of the uniform bill."""
_SEX = {"female": ("F", "Female"), "male": ("M", "Male")}


def ccda(note: Note) -> Page:
    """A well-formed document of one kind of C-CDA R2.1, of the note's sections."""
    page = Page(lambda text: escape(text, {'"': "&quot;"}))
    page.raw('<?xml version="1.0" encoding="UTF-8"?>\n')
    page.raw(f"<!-- {MARK} -->\n")
    page.raw('<ClinicalDocument xmlns="urn:hl7-org:v3">\n')
    _document(page, note)
    _record_target(page, note)
    _author(page, note)
    _custodian(page, note)
    _order(page, note)
    _encounter(page, note)
    page.raw("<component><structuredBody>\n")
    _catalog(page, note)
    for part, lines in note.sections:
        _section(page, part, lines)
    page.raw("</structuredBody></component>\n</ClinicalDocument>\n")
    return page


def _document(page: Page, note: Note) -> None:
    kind = note.kind
    page.raw('<realmCode code="US"/>\n')
    page.raw('<typeId root="2.16.840.1.113883.1.3" extension="POCD_HD000040"/>\n')
    for template in (_HEADER, kind.template):
        page.raw(_template(template))
    _identifier(page, _root(note), Piece(note.case.document.id, PhiClass.RECORD_ID))
    page.raw(_loinc(kind.loinc, kind.title))
    page.raw("<title>")
    page.put(Piece(f"{kind.title} ({MARK})"))
    page.raw("</title>\n")
    _time(page, note, "effectiveTime", note.case.document.minute)
    page.raw('<confidentialityCode code="N" codeSystem="2.16.840.1.113883.5.25"/>\n')
    page.raw('<languageCode code="en-US"/>\n')


def _record_target(page: Page, note: Note) -> None:
    told, person = note.case.registration, note.case.person
    page.raw("<recordTarget><patientRole>\n")
    _identifier(page, _root(note), Piece(told.mrn, PhiClass.MRN))
    who = told.demographics
    if who.ssn:
        _identifier(page, _SSN, Piece(who.ssn, PhiClass.SSN))
    _address(page, who)
    if who.phone:
        _telecom(page, "tel", Piece(who.phone, PhiClass.PHONE))
    if who.email:
        _telecom(page, "mailto", Piece(who.email, PhiClass.EMAIL))
    if not (who.phone or who.email):
        page.raw('<telecom nullFlavor="UNK"/>\n')
    page.raw("<patient>\n")
    given = [who.given, who.middle] if who.middle else [who.given]
    _name(page, PhiClass.PATIENT_NAME, given, who.family)
    code, display = _SEX[who.sex]
    page.raw(f'<administrativeGenderCode code="{code}" codeSystem="2.16.840.1.113883.5.1" ')
    page.raw(f'displayName="{display}"/>\n<birthTime value="')
    page.put(Piece(f"{who.born:%Y%m%d}", PhiClass.BIRTH_DATE))
    page.raw('"/>\n')
    page.raw(f'<maritalStatusCode code="{person.marital}" codeSystem="2.16.840.1.113883.5.2"/>\n')
    page.raw(_omb("raceCode", person.race) + _omb("ethnicGroupCode", person.ethnicity))
    page.raw("</patient>\n</patientRole></recordTarget>\n")


def _author(page: Page, note: Note) -> None:
    page.raw("<author>\n")
    _time(page, note, "time", note.case.document.minute)
    _assigned(page, note.case.author, "assignedAuthor")
    page.raw("</author>\n")


def _custodian(page: Page, note: Note) -> None:
    page.raw("<custodian><assignedCustodian><representedCustodianOrganization>\n")
    page.raw(f'<id root="{_root(note)}"/>\n<name>')
    page.put(Piece(*note.values["hospital"]))
    page.raw('</name>\n<telecom nullFlavor="UNK"/>\n<addr nullFlavor="UNK"/>\n')
    page.raw("</representedCustodianOrganization></assignedCustodian></custodian>\n")


def _order(page: Page, note: Note) -> None:
    """The order that a report answers, by its number and by the accession number."""
    if image := note.case.imaging:
        page.raw("<inFulfillmentOf><order>\n")
        _identifier(page, _root(note), Piece(image.placer, PhiClass.RECORD_ID))
        _identifier(page, _root(note), Piece(image.accession, PhiClass.ACCESSION))
        page.raw("</order></inFulfillmentOf>\n")


def _catalog(page: Page, note: Note) -> None:
    """Which study of the archive a report is of: a DICOM Object Catalog."""
    if image := note.case.imaging:
        root = "2.16.840.1.113883.10.20.6"
        page.raw('<component><section classCode="DOCSECT" moodCode="EVN">\n')
        page.raw(_template(f"{root}.1.1") + _dicom("121181", "Dicom Object Catalog"))
        page.raw('<entry><act classCode="ACT" moodCode="EVN">\n')
        page.raw(f'{_template(f"{root}.2.6")}<id root="')
        page.put(Piece(image.study_uid, PhiClass.RECORD_ID))
        page.raw(f'"/>\n{_dicom("113014", "Study")}</act></entry>\n</section></component>\n')


def _encounter(page: Page, note: Note) -> None:
    encounter = note.case.encounter
    page.raw("<componentOf><encompassingEncounter>\n")
    _identifier(page, _root(note), Piece(encounter.visit_number, PhiClass.VISIT_NUMBER))
    page.raw("<effectiveTime>")
    _time(page, note, "low", encounter.start)
    if note.case.document.kind == "discharge":
        _time(page, note, "high", encounter.end)
    page.raw("</effectiveTime>\n")
    if note.case.document.kind == "discharge":
        code = _DISPOSITIONS[encounter.disposition]
        page.raw(f'<dischargeDispositionCode code="{code}" codeSystem="{_NUBC}"/>\n')
    page.raw("<responsibleParty>\n")
    _assigned(page, note.case.site.staff[encounter.attending], "assignedEntity")
    page.raw("</responsibleParty>\n</encompassingEncounter></componentOf>\n")


def _section(page: Page, part: Part, lines: tuple[Line, ...]) -> None:
    page.raw(f"<component><section>\n{_template(part.template)}{_loinc(part.loinc, part.title)}")
    page.raw(f"<title>{part.title}</title>\n<text>\n")
    for line in lines:
        page.raw("<paragraph>")
        page.put(*line)
        page.raw("</paragraph>\n")
    page.raw("</text>\n</section></component>\n")


def _assigned(page: Page, who: Practitioner, element: str) -> None:
    page.raw(f"<{element}>\n")
    _identifier(page, _NPI, Piece(who.npi, PhiClass.STAFF_ID))
    page.raw('<addr nullFlavor="UNK"/>\n<telecom nullFlavor="UNK"/>\n<assignedPerson>')
    _name(page, PhiClass.STAFF_NAME, [who.given], who.family)
    page.raw(f"</assignedPerson>\n</{element}>\n")


def _identifier(page: Page, root: str, extension: Piece) -> None:
    page.raw(f'<id root="{root}" extension="')
    page.put(extension)
    page.raw('"/>\n')


def _name(page: Page, phi: PhiClass, given: list[str], family: str) -> None:
    page.raw("<name>")
    for name in given:
        _element(page, "given", Piece(name, phi))
    _element(page, "family", Piece(family, phi))
    page.raw("</name>\n")


def _address(page: Page, who: Demographics) -> None:
    home = who.address
    page.raw('<addr use="HP">')
    _element(page, "streetAddressLine", Piece(home.line, PhiClass.ADDRESS))
    _element(page, "city", Piece(home.city, PhiClass.ADDRESS))
    _element(page, "state", Piece(home.state))
    _element(page, "postalCode", Piece(home.postal_code, PhiClass.ADDRESS))
    page.raw("<country>US</country></addr>\n")


def _telecom(page: Page, scheme: str, number: Piece) -> None:
    page.raw(f'<telecom use="HP" value="{scheme}:')
    page.put(number)
    page.raw('"/>\n')


def _element(page: Page, name: str, piece: Piece) -> None:
    page.raw(f"<{name}>")
    page.put(piece)
    page.raw(f"</{name}>")


def _time(page: Page, note: Note, element: str, minute: int) -> None:
    """A local time with its offset; the day of it is a date of the patient's."""
    zone = note.case.site.zone
    local = moment(zone.local(minute))
    page.raw(f'<{element} value="')
    page.put(Piece(f"{local:%Y%m%d}", PhiClass.DATE))
    page.raw(f'{local:%H%M}{zone.offset(minute).replace(":", "")}"/>\n')


def _template(told: str) -> str:
    root, _, version = told.partition(":")
    extension = f' extension="{version}"' if version else ""
    return f'<templateId root="{root}"{extension}/>\n'


def _loinc(code: str, display: str) -> str:
    return f'<code code="{code}" codeSystem="{_LOINC}" displayName="{display}"/>\n'


def _dicom(code: str, display: str) -> str:
    return f'<code code="{code}" codeSystem="{_DCM}" displayName="{display}"/>\n'


def _omb(element: str, told: Code) -> str:
    return (
        f'<{element} code="{told.code}" codeSystem="2.16.840.1.113883.6.238" '
        f'displayName="{told.display}"/>\n'
    )


def _root(note: Note) -> str:
    return f"{_EXAMPLE}.{note.case.site.index + 1}"
