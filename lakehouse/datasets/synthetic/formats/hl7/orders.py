"""ORM and ORU: what is ordered, and what the laboratory and radiology answer (chapters 4 and 7)."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from lakehouse.datasets.synthetic.clock import HOUR
from lakehouse.datasets.synthetic.formats.hl7.segments import Message, Words, decimal, escape
from lakehouse.datasets.synthetic.laboratory import flag_of
from lakehouse.datasets.synthetic.model import Encounter, Imaging, Panel, Result

ORDER, RESULT = "ORM^O01^ORM_O01", "ORU^R01^ORU_R01"

_SPOILED = "Specimen haemolysed; please draw again"
# laboratories write what they like, delimiters too
_COMMENTS = (
    "Critical value: called to the ward & read back",
    "Checked twice | second analyser agrees",
    "Delta check ^ see earlier value",
    "Sample ~20 min old on arrival",
    r"Procedure: \\lab\critical\07",
    "Critical value\nThe ward was called",
)
_SPECIMENS = {
    "blood": "BLDV^Blood venous^HL70487",
    "arterial": "BLDA^Blood arterial^HL70487",
    "urine": "UR^Urine^HL70487",
}


class Visit(NamedTuple):
    """Where and for whom something is ordered: PID and PV1 that go with it."""

    told: Encounter
    patient: str
    header: str
    """PID and PV1."""
    corrections: Mapping[str, tuple[int, int | None]]
    """By the id of a result: when it was corrected, and what it was until then."""
    copies: Mapping[str, int]
    """By the id of a panel: when an interface sent it once more, as another message."""


class Orders:
    """The orders of one site. What is the same for every patient is made once."""

    def __init__(self, words: Words) -> None:
        self._words = words
        self._analytes: dict[str, tuple[str, str, str]] = {}

    def panel(self, visit: Visit, panel: Panel) -> Iterator[Message]:
        """A battery: the order, then the results, early ones, wrong ones and copies too."""
        words, told = self._words, visit.told
        doctor, code = words.staff[told.attending], panel.battery.code
        service = f"{code.code}^{code.display}^LN"
        ordered = words.stamp(panel.ordered)
        rank = "S" if panel.is_urgent else "R"
        placer = f"{panel.placer}^{words.facility}"
        order = (
            f"{visit.header}ORC|NW|{placer}|||||^^^^^{rank}||{ordered}|||{doctor}\r"
            f"OBR|1|{placer}||{service}|{rank}|{ordered}{'|' * 10}{doctor}\r"
        )
        yield Message(panel.ordered, ORDER, order, visit.patient, told.id)
        head = f"{visit.header}ORC|RE|{placer}|"
        accession, drawn = f"{panel.filler}^LAB", words.stamp(panel.collected)
        specimen = _SPECIMENS[panel.battery.specimen]
        for at, status, wrong in _reports(visit, panel):
            body = (
                f"{head}{accession}|||||||||{doctor}\r"
                f"OBR|1|{placer}|{accession}|{service}|||{drawn}|||||||{drawn}|{specimen}|{doctor}"
                f"||||||{words.stamp(at)}||LAB|{status}\r"
            ) + self._observations(panel, status, wrong, drawn)
            yield Message(at, RESULT, body, visit.patient, told.id)

    def _observations(
        self, panel: Panel, status: str, wrong: Mapping[str, int | None], drawn: str
    ) -> str:
        told = []
        for place, one in enumerate(panel.results, 1):
            known = self._analytes.get(one.analyte.code.code) or self._analyte(one)
            kind, head, tail = known
            value, flag, final = one.value, one.flag, status
            if status == "P":
                value = value if one.preliminary is None else one.preliminary
            if status == "C" and one.id not in wrong:
                final = "F"
            elif status == "F" and one.id in wrong:
                value = wrong[one.id]
                flag = flag if value is None else flag_of(one.analyte, value)
            if value is None:
                told.append(_worded(place, one, head, tail, final, drawn))
                continue
            number = decimal(value, one.analyte.parts)
            if one.comparator:
                kind, number = "SN", f"{one.comparator}^{number}"
            told.append(f"OBX|{place}|{kind}|{head}||{number}|{tail}|{flag}|||{final}|||{drawn}\r")
            if flag in ("LL", "HH"):
                told.append(self._comment(one, value))
        return "".join(told)

    def _analyte(self, one: Result) -> tuple[str, str, str]:
        analyte = one.analyte
        head = f"{analyte.code.code}^{analyte.code.display}^LN^{analyte.name}^^L"
        low, high = (decimal(part, analyte.parts) for part in (analyte.low, analyte.high))
        unit = f"{escape(analyte.unit)}^^UCUM|{low}-{high}" if analyte.unit else "|"
        found = self._analytes[analyte.code.code] = ("NM", head, unit)
        return found

    def _comment(self, one: Result, value: int) -> str:
        text = _COMMENTS[(value + len(one.id)) % len(_COMMENTS)]
        return f"NTE|1|L|{self._words.lines(*text.split(chr(10)))}\r"

    def imaging(self, visit: Visit, image: Imaging) -> Iterator[Message]:
        """An examination: the order with the study that it will be (IHE RAD TF-2 4.4: ZDS), and
        the report."""
        words, told = self._words, visit.told
        doctor, reader = words.staff[told.attending], words.staff[image.radiologist]
        code, modality = image.examination.code, image.examination.modality
        service = f"{code.code}^{escape(code.display)}^LN"
        placer, accession = f"{image.placer}^{words.facility}", f"{image.accession}^RAD"
        ordered, made = words.stamp(image.ordered), words.stamp(image.performed)
        order = (
            f"{visit.header}ORC|NW|{placer}|{accession}||||||{ordered}|||{doctor}\r"
            f"OBR|1|{placer}|{accession}|{service}|R|{ordered}{'|' * 10}{doctor}||"
            f"{image.accession}||||||{modality}\r"
            f"ZDS|{image.study_uid}^^Application^DICOM\r"
        )
        yield Message(image.ordered, ORDER, order, visit.patient, told.id)
        finding = image.finding
        body = (
            f"{visit.header}ORC|RE|{placer}|{accession}|||||||||{doctor}\r"
            f"OBR|1|{placer}|{accession}|{service}|||{made}|||||||||{doctor}||{image.accession}"
            f"||||{words.stamp(image.reported)}||RAD|F|||||||{reader}\r"
            f"OBX|1|ST|113014^DICOM Study^DCM||{image.study_uid}||||||F|||{made}\r"
            f"OBX|2|TX|59776-5^Findings^LN||{escape(finding.findings)}||||||F|||{made}\r"
            f"OBX|3|TX|19005-8^Impression^LN||{escape(finding.impression)}||"
            f"|{'A' if finding.is_abnormal else 'N'}|||F|||{made}\r"
        )
        yield Message(image.reported, RESULT, body, visit.patient, told.id)


_Report = tuple[int, str, Mapping[str, int | None]]


def _reports(visit: Visit, panel: Panel) -> Iterator[_Report]:
    """When the results have which status, with the values that were wrong by result."""
    wrong: dict[str, int | None] = {}
    corrected = 0
    if visit.corrections:
        for one in panel.results:
            if one.id in visit.corrections:
                corrected, wrong[one.id] = visit.corrections[one.id]
    if panel.preliminary_at is not None:
        yield panel.preliminary_at, "P", {}
    yield panel.resulted, "F", wrong
    if panel.id in visit.copies:
        yield visit.copies[panel.id], "F", wrong
    if wrong:
        yield max(corrected, panel.resulted + HOUR), "C", wrong


def _worded(place: int, one: Result, head: str, tail: str, status: str, drawn: str) -> str:
    if one.absent:
        return f"OBX|{place}|NM|{head}|||{tail}||||X|||{drawn}\rNTE|1|L|{_SPOILED}\r"
    text = "No growth to date" if status == "P" else one.text
    return f"OBX|{place}|ST|{head}||{escape(text)}|{tail}|{one.flag}|||{status}|||{drawn}\r"
