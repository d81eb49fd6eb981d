"""What a note says: sections of lines, from the story, the same for every way to write it down."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from lakehouse.datasets.synthetic.dice import Dice
from lakehouse.datasets.synthetic.formats.notes.pieces import Line, Piece, Value, line_of
from lakehouse.datasets.synthetic.formats.notes.values import Case, values_of
from lakehouse.datasets.synthetic.model import Diagnosis, Medication, Panel, Result
from lakehouse.datasets.synthetic.phi import PhiClass
from lakehouse.datasets.synthetic.physiology import signs_at
from lakehouse.datasets.synthetic.words import phrases
from lakehouse.datasets.synthetic.words.phrases import Kind, Part

Section = tuple[Part, tuple[Line, ...]]

_HEAD = {
    "Patient": "listed",
    "MRN": "mrn",
    "Date of birth": "born",
    "Visit": "visit",
    "Date": "written",
}
_STATUS = {"confirmed": "affirmed", "provisional": "uncertain", "refuted": "negated"}
_CUE = {"confirmed": "", "provisional": "Possible ", "refuted": "Ruled out: "}
_FLAGS = {"": "", "N": ""}
_MOST_RESULTS = 5


@dataclass(frozen=True, slots=True)
class Note:
    """A note before it is written down in a format."""

    case: Case
    kind: Kind
    values: Mapping[str, Value]
    letterhead: Line
    head: tuple[tuple[str, Piece], ...]
    sections: tuple[Section, ...]
    signature: Line


def note_of(case: Case) -> Note:
    """The note that a document of the story is."""
    values = values_of(case)
    desk = _Desk(case, values, Dice(case.person.key).at(f"notes/{case.document.id}"))
    head = tuple((label, Piece(*values[name])) for label, name in _HEAD.items())
    return Note(
        case,
        phrases.KINDS[case.document.kind],
        values,
        line_of("{hospital}, {specialty}", values),
        head,
        tuple(_SECTIONS[case.document.kind](desk)),
        line_of("Electronically signed by {author}, NPI {npi}, on {written} at {time}", values),
    )


class _Desk:
    """Where a note is written: a person's values, and draws of its own."""

    def __init__(self, case: Case, values: Mapping[str, Value], dice: Dice) -> None:
        self.case, self.values, self.dice = case, values, dice
        # what is said of somebody's past is the same in every note
        self.past = Dice(case.person.key).at("notes/past")

    def line(self, *templates: str) -> Line:
        """One line, of one template or more."""
        return line_of(" ".join(templates), self.values)

    def section(self, part: Part, *lines: Line) -> Section:
        """A section; one without anything to say says so."""
        return part, lines or (self.line("Nothing recorded."),)

    def opening(self) -> str:
        return self.dice.pick(phrases.OPENINGS[self.case.encounter.module])

    def diagnoses(self) -> Iterator[Line]:
        told = self.case.encounter.diagnoses
        return (_diagnosis(one) for one in told if one.recorded <= self.case.document.minute)

    def drugs(self, setting: str) -> Iterator[Line]:
        told = (one for one in self.case.encounter.medications if one.setting == setting)
        return ((Piece(_dose(one)),) for one in told if one.ordered <= self.case.document.minute)

    def allergies(self) -> Iterator[Line]:
        for encounter in self.case.person.encounters:
            if (
                encounter.site == self.case.site.name
                and encounter.start <= self.case.document.minute
            ):
                for told in encounter.allergies:
                    yield (Piece(f"{told.substance.display}: {told.reaction.display}"),)

    def vitals(self) -> Line:
        signs = signs_at(self.case.encounter, self.case.document.minute)
        heat, unit = signs.temperature, "C"
        if self.case.site.uses_fahrenheit:
            heat, unit = heat * 9 // 5 + 320, "F"
        pressure = Piece(f"{signs.systolic}/{signs.diastolic}", status=phrases.LOOK_ALIKE)
        start = f"T {heat // 10}.{heat % 10} {unit}, HR {signs.heart_rate}"
        return (
            Piece(f"{start}, RR {signs.respiratory_rate}, BP "),
            pressure,
            Piece(f", SpO2 {signs.oxygen_saturation} %."),
        )

    def results(self) -> Iterator[Line]:
        known = [p for p in self.case.encounter.panels if p.resulted <= self.case.document.minute]
        for panel in known[-2:]:
            yield (
                Piece(f"{panel.battery.name}, "),
                Piece(*self.case.day(panel.collected)),
                Piece(f": {_measured(panel)}"),
            )


def _diagnosis(told: Diagnosis) -> Line:
    finding = Piece(told.code.display, None, told.code, _STATUS[told.verification])
    return Piece(f"- {_CUE[told.verification]}"), finding, Piece(f" ({told.code.code})")


def _dose(told: Medication) -> str:
    drug = told.drug
    unit = drug.unit.strip("{}").replace("tbl", "tablet")
    return f"- {drug.code.display}, {drug.dose} {unit} {drug.route}, every {drug.every} h"


def _measured(panel: Panel) -> str:
    return ", ".join(_result(one) for one in panel.results[:_MOST_RESULTS])


def _result(told: Result) -> str:
    if told.value is None:
        return f"{told.analyte.name} {told.text or 'not available'}"
    parts = told.analyte.parts
    digits = len(str(parts)) - 1
    number = str(told.value // parts) + (f".{told.value % parts:0{digits}}" if digits else "")
    flag = f" ({told.flag})" if told.flag not in _FLAGS else ""
    return f"{told.analyte.name} {told.comparator}{number} {told.analyte.unit}{flag}"


def _admission(desk: _Desk) -> Iterator[Section]:
    dice, line = desk.dice, desk.line
    yield desk.section(phrases.CHIEF, line("{reason}"))
    yield desk.section(
        phrases.PRESENT,
        line("{title} {family} is a {age}-year-old {sex} who", desk.opening()),
        line("Admitted on {admitted}. The {relation}, {relative}, gave part of the history."),
    )
    yield desk.section(phrases.PAST, line(desk.past.pick(phrases.EPONYMS)), *desk.diagnoses())
    yield desk.section(phrases.ALLERGIES, *desk.allergies())
    yield desk.section(phrases.MEDICATIONS, *desk.drugs("inpatient"))
    yield desk.section(phrases.FAMILY, *(line(text) for text in _some(desk.past, phrases.HISTORY)))
    yield desk.section(
        phrases.SOCIAL,
        line("Lives at {address}, phone {phone}, e-mail {email}."),
        line("Insured with {payer}, {insurance}. SSN {ssn}."),
        line("Call {relative} ({relation}) at {relative_phone}."),
    )
    yield desk.section(phrases.SYSTEMS, line(dice.pick(phrases.NEGATIVES)))
    yield desk.section(phrases.VITALS, desk.vitals())
    yield desk.section(phrases.GENERAL, line("Alert, in no acute distress."))
    yield desk.section(phrases.EXAMINATION, line(dice.pick(phrases.SIGNS)))
    yield desk.section(phrases.RESULTS, *desk.results())
    yield desk.section(phrases.ASSESSMENT, line("Discussed with Dr. {attending}."))


def _progress(desk: _Desk) -> Iterator[Section]:
    dice, line = desk.dice, desk.line
    told = desk.opening() if desk.case.document.kind == "visit" else dice.pick(phrases.COURSES)
    start = "{given} {family}" if desk.case.document.kind == "visit" else "Seen on rounds."
    name = (line("Prefers to be called {nickname}."),) if dice.chance(50) else ()
    yield desk.section(phrases.SUBJECTIVE, line(start, told), *name)
    yield desk.section(phrases.OBJECTIVE, desk.vitals(), line(dice.pick(phrases.SIGNS)))
    yield desk.section(phrases.RESULTS, *desk.results())
    yield desk.section(phrases.ASSESSMENT, *desk.diagnoses(), line(dice.pick(phrases.CARE)))
    if dice.chance(40):
        yield desk.section(
            phrases.TREATMENT,
            line("The {relation}, {relative}, was told by phone, {relative_phone}."),
        )


def _discharge(desk: _Desk) -> Iterator[Section]:
    dice, line, encounter = desk.dice, desk.line, desk.case.encounter
    is_death = encounter.disposition == "exp"
    end = "{they} died on {ended}." if is_death else "{they} left on {ended}."
    yield desk.section(phrases.ALLERGIES, *desk.allergies())
    yield desk.section(
        phrases.COURSE,
        line("{patient}, a {age}-year-old {sex}, was admitted on {admitted}: {reason}."),
        line(dice.pick(phrases.COURSES), dice.pick(phrases.CARE)),
        line(end),
    )
    yield desk.section(phrases.DIAGNOSES, *desk.diagnoses())
    yield desk.section(phrases.DISCHARGE_MEDICATIONS, *desk.drugs("discharge"))
    plan = "{relative} ({relation}) was called at {relative_phone}."
    if not is_death:
        plan = "See Dr. {attending} on {again}. We will call {phone}; letters go to {address}."
    yield desk.section(phrases.TREATMENT, line(plan))


def _operative(desk: _Desk) -> Iterator[Section]:
    line = desk.line
    yield desk.section(phrases.BEFORE, line("{reason}"))
    yield desk.section(phrases.AFTER, line("{reason}"))
    yield desk.section(phrases.ANESTHESIA, line("Spinal. [Foley|look_alike] catheter placed."))
    yield desk.section(phrases.DONE, *_operations(desk))
    yield desk.section(phrases.FOUND, line("As expected. No [infection|negated] seen."))
    yield desk.section(phrases.SPECIMENS, line("None."))
    yield desk.section(phrases.BLOOD_LOSS, line("250 mL"))
    yield desk.section(phrases.COMPLICATIONS, line("None. No signs of [infection|negated]."))


def _operations(desk: _Desk) -> Iterator[Line]:
    yield desk.line("{title} {family} was placed in [Trendelenburg|look_alike] position.")
    for told in desk.case.encounter.procedures:
        yield (Piece(told.code.display),)
        if told.implant:
            serial = Piece(told.implant.serial, PhiClass.DEVICE_SERIAL)
            yield Piece("Implant serial "), serial, Piece(f", lot {told.implant.lot}.")


def _radiology(desk: _Desk) -> Iterator[Section]:
    image = desk.case.imaging
    if image is None:
        raise LookupError(f"{desk.case.document.id} is a report of nothing")
    line = desk.line
    seen, concluded = phrases.REPORTS[image.finding.name]
    yield desk.section(phrases.INDICATION, line("{reason}. {age}-year-old {sex}."))
    yield desk.section(
        phrases.TECHNIQUE,
        line("{examination} on {performed}. Accession {accession}, order {order}."),
    )
    before = "{earlier} of {before}." if "before" in desk.values else "None available."
    yield desk.section(phrases.COMPARISON, line(before))
    yield desk.section(phrases.FINDINGS, line(seen))
    yield desk.section(phrases.IMPRESSION, line(concluded), line("Told to Dr. {attending}."))


def _some(dice: Dice, options: tuple[str, ...]) -> list[str]:
    """Two of them."""
    first = dice.below(len(options))
    return [options[first], options[(first + dice.between(1, len(options) - 1)) % len(options)]]


_SECTIONS: Mapping[str, Callable[[_Desk], Iterator[Section]]] = MappingProxyType(
    {
        "admission": _admission,
        "progress": _progress,
        "visit": _progress,
        "discharge": _discharge,
        "operative": _operative,
        "radiology": _radiology,
    }
)
