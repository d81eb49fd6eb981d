"""The chart of one encounter while it goes on: what is done and seen is written into it, then it
is closed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lakehouse.datasets.synthetic import laboratory
from lakehouse.datasets.synthetic.clock import DAY, HOUR
from lakehouse.datasets.synthetic.dice import scatter
from lakehouse.datasets.synthetic.model import (
    Allergy,
    CarePlan,
    Diagnosis,
    Document,
    Encounter,
    Imaging,
    Immunization,
    Implant,
    Medication,
    Move,
    Panel,
    Procedure,
    Round,
    Series,
    Survey,
)
from lakehouse.datasets.synthetic.physiology import severity_at, signs
from lakehouse.datasets.synthetic.sites import RADIOLOGY
from lakehouse.datasets.synthetic.words.codes import (
    ALLERGENS,
    KNEE_IMPLANT,
    VACCINES,
    Code,
    Problem,
)
from lakehouse.datasets.synthetic.words.imaging import Finding

if TYPE_CHECKING:
    from lakehouse.datasets.synthetic.life import Life, Plan
    from lakehouse.datasets.synthetic.sites import Site
    from lakehouse.datasets.synthetic.words.drugs import Drug
    from lakehouse.datasets.synthetic.words.imaging import Examination
    from lakehouse.datasets.synthetic.words.labs import Analyte, Battery
    from lakehouse.datasets.synthetic.words.surveys import Questionnaire

_ROUNDS = {"ed": 3 * HOUR, "icu": 4 * HOUR}
_ROUND = 12 * HOUR
_BEDS = {"ed": 12, "icu": 8, "ob": 10}
_LONGEST = 10 * DAY
_SERIES_STEP = 256
# what an encounter has as it was written
_PLAIN = (
    "course",
    "moves",
    "monitored",
    "rounds",
    "panels",
    "procedures",
    "imaging",
    "documents",
    "allergies",
    "immunizations",
    "surveys",
    "care_plans",
)


@dataclass(slots=True)
class _Told:
    """What has been written so far."""

    course: list[tuple[int, int]] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)
    monitored: list[tuple[int, int]] = field(default_factory=list)
    diagnoses: list[Diagnosis] = field(default_factory=list)
    rounds: list[Round] = field(default_factory=list)
    panels: list[Panel] = field(default_factory=list)
    medications: list[Medication] = field(default_factory=list)
    procedures: list[Procedure] = field(default_factory=list)
    imaging: list[Imaging] = field(default_factory=list)
    documents: list[Document] = field(default_factory=list)
    allergies: list[Allergy] = field(default_factory=list)
    immunizations: list[Immunization] = field(default_factory=list)
    surveys: list[Survey] = field(default_factory=list)
    care_plans: list[CarePlan] = field(default_factory=list)


class Chart:
    """What a module writes into. `now` is the minute that has been reached."""

    def __init__(
        self, life: Life, plan: Plan, site: Site, number: int, start: int, *, is_again: bool
    ) -> None:
        self._life, self._plan, self.site = life, plan, site
        self._dice = life.dice
        self.start = self.now = start
        self.number = number
        self.patient = site.patient_id(life.number, again=is_again)
        self.id = f"{self.patient}-e{number}"
        self.visit_number = f"{'W' if is_again else 'V'}{site.local(life.number):06}{number:02}"
        self.attending = site.on_duty(plan.specialty, self._dice.below(24))
        self.organization = "hospital"
        self.is_elective = False
        self.deteriorated: int | None = None
        self.smoking = ""
        self._count = 0
        self._noise = scatter(life.key, number)
        self._told = _Told()

    def _next(self, letter: str) -> str:
        self._count += 1
        return f"{self.id}-{letter}{self._count}"

    def stay(self, ward: str, minutes: int, severity: int = 0, *, within: int = 0) -> None:
        """Time passes in a ward; at its end the patient is this ill, and became so evenly: all
        the while, or `within` the last minutes."""
        if not self._told.course:
            self._told.course.append((self.start, severity))
        if within:
            self._told.course.append((self.now + minutes - within, self._told.course[-1][1]))
        if ward == "rehab":
            self.organization = "partner"
        bed = f"{ward}-{self._dice.between(1, _BEDS.get(ward, 24))}"
        self._told.moves.append(Move(ward, bed, self.now, self.now + minutes))
        self.now += minutes
        self._told.course.append((self.now, severity))

    def feel(self, severity: int) -> None:
        """The patient is this ill now."""
        self._told.course.append((self.now, severity))

    def watch(self, start: int, end: int) -> None:
        """A bedside monitor is connected."""
        self._told.monitored.append((start, end))

    def diagnose(
        self,
        problem: Problem,
        *,
        since: int | None = None,
        is_principal: bool = False,
        is_over: bool = False,
        verification: str = "confirmed",
    ) -> None:
        """Somebody writes down a condition; `is_over` when it ends with the encounter."""
        onset = self.now if since is None else since
        self._told.diagnoses.append(
            Diagnosis(
                self._next("c"),
                problem.icd,
                problem.snomed,
                is_principal,
                onset,
                -1 if is_over else None,
                self.now + 15,
                verification,
            )
        )

    def measure(self, minute: int, *, is_whole: bool = False, pain: int | None = None) -> None:
        """A round of vital signs; a whole one with weight and height too."""
        level = severity_at(self._told.course, minute)
        quick, slow = scatter(self._noise, minute), scatter(self._noise + 1, minute // 30)
        told = signs(self._life.baseline, self._plan.illness, level, quick, slow)
        weight = self._dice.about(self._life.weight, 8) if is_whole else None
        height = self._life.height if is_whole else None
        recorded = minute + 2 + (quick >> 60)
        self._told.rounds.append(
            Round(self._next("v"), minute, recorded, told, weight, height, pain)
        )

    def draw(
        self,
        battery: Battery,
        *,
        shifts: dict[str, int] | None = None,
        is_urgent: bool = False,
        after: int = 0,
    ) -> None:
        """Blood is drawn `after` minutes from now; shifts move what is usual, by the analyte's
        name."""
        self._count += 1
        number = f"{self.visit_number[1:]}{self._count:03}"
        self._told.panels.append(
            laboratory.panel(
                self._dice,
                battery,
                (f"{self.id}-l{self._count}", number),
                self.now + after,
                shifts or {},
                is_urgent=is_urgent,
            )
        )

    def prescribe(self, drug: Drug, setting: str, *, days: int = 0, refills: int = 0) -> None:
        """A drug is ordered: an inpatient one is given until the encounter ends or for some
        days."""
        stopped = self.now + days * DAY if days else None
        self._told.medications.append(
            Medication(self._next("m"), drug, self.now + 5, setting, stopped, (), refills)
        )

    def operate(self, code: Code, minutes: int, *, after: int = 0, implants: bool = False) -> None:
        """Something is done to the patient."""
        start = self.now + after
        implant = self._implant() if implants else None
        self._told.procedures.append(
            Procedure(self._next("p"), code, start, start + minutes, implant)
        )

    def _implant(self) -> Implant:
        dice = self._dice
        serial, lot = f"SN{dice.below(10**8):08}", f"LOT{dice.below(10**5):05}"
        return Implant(
            self._next("d"), KNEE_IMPLANT, "00900000000017", serial, lot, self.start - 200 * DAY
        )

    def image(self, examination: Examination, finding: Finding, *, after: int = 30) -> None:
        """An examination is ordered now, made `after` minutes later, and reported within hours."""
        identity = self._next("i")
        performed = self.now + after
        reported = performed + self._dice.between(30, 240)
        number = f"{self.visit_number[1:]}{self._count:03}"
        base = self._uid()
        series = tuple(
            Series(
                place,
                examination.modality,
                text,
                f"2.25.{base + _SERIES_STEP * place}",
                n_instances,
            )
            for place, (text, n_instances) in enumerate(examination.series, 1)
        )
        radiologist = self.site.on_duty(RADIOLOGY, self._count)
        self._told.imaging.append(
            Imaging(
                identity,
                examination,
                f"A{number}",
                f"R{number}",
                f"2.25.{base}",
                self.now,
                performed,
                reported,
                series,
                finding,
                radiologist,
            )
        )
        self._told.documents.append(
            Document(self._next("n"), "radiology", reported, radiologist, identity)
        )

    def _uid(self) -> int:
        """The number of a UID below 2.25 (PS3.5 B.2); those behind it are for what belongs to
        it."""
        high, low = scatter(~self._noise, self._count), scatter(self._noise >> 1, self._count)
        return (high << 64 | low) >> 16 << 16

    def note(self, kind: str, *, after: int = 20) -> None:
        """Somebody writes a note."""
        self._told.documents.append(
            Document(self._next("n"), kind, self.now + after, self.attending)
        )

    def ask(self, questionnaire: Questionnaire) -> None:
        """The patient answers; now and then a question is left out."""
        burden = self._dice.weighted(((60, 1), (30, 2), (10, 4)))
        answers = tuple(
            None if self._dice.chance(2) else self._dice.below(burden)
            for _ in questionnaire.questions
        )
        self._told.surveys.append(Survey(self._next("q"), questionnaire, self.now + 5, answers))

    def vaccinate(self) -> None:
        """A vaccine is given, or refused."""
        dice = self._dice
        lot = f"VX{dice.below(10**4):04}"
        self._told.immunizations.append(
            Immunization(
                self._next("z"), dice.pick(VACCINES), self.now + 18, lot, not dice.chance(6)
            )
        )

    def warn(self) -> None:
        """An allergy is written down."""
        substance, reaction = self._dice.pick(ALLERGENS)
        severity = self._dice.weighted(((50, "mild"), (35, "moderate"), (15, "severe")))
        self._told.allergies.append(
            Allergy(self._next("a"), substance, reaction, severity, self.now + 8)
        )

    def plan(self, reason: Problem, goal: str, analyte: Analyte, target: int) -> None:
        """A plan for a long illness."""
        team = (self.attending, self.site.on_duty(5, self.number))
        code = reason.snomed or reason.icd
        self._told.care_plans.append(
            CarePlan(self._next("g"), code, goal, analyte, target, self.now + 25, team)
        )

    def close(self, disposition: str = "home") -> None:
        """The encounter ends now."""
        if self._plan.setting == "IMP":
            self._make_rounds()
        life, plan = self._life, self._plan
        life.add(
            Encounter(
                id=self.id,
                number=self.number,
                site=self.site.name,
                patient=self.patient,
                visit_number=self.visit_number,
                module=life.module,
                kind=plan.kind,
                setting=plan.setting,
                start=self.start,
                end=self.now,
                reason=plan.problem.icd,
                attending=self.attending,
                organization=self.organization,
                disposition=disposition,
                is_elective=self.is_elective,
                baseline=life.baseline,
                illness=plan.illness,
                noise=self._noise,
                deteriorated=self.deteriorated,
                diagnoses=tuple(self._ended(found) for found in self._told.diagnoses),
                medications=tuple(self._given(found) for found in self._told.medications),
                smoking=self.smoking,
                **{name: tuple(getattr(self._told, name)) for name in _PLAIN},
            )
        )

    def _ended(self, found: Diagnosis) -> Diagnosis:
        if found.abated is None:
            return found
        return Diagnosis(
            found.id,
            found.code,
            found.snomed,
            found.is_principal,
            found.onset,
            self.now,
            found.recorded,
            found.verification,
        )

    def _given(self, found: Medication) -> Medication:
        """An inpatient order has its doses, from an hour after it until it ends."""
        if found.setting != "inpatient":
            return found
        until = min(self.now, found.stopped or self.now, found.ordered + _LONGEST)
        doses = tuple(range(found.ordered + 55, until, max(found.drug.every, 8) * HOUR))
        return Medication(found.id, found.drug, found.ordered, found.setting, until, doses, 0)

    def _make_rounds(self) -> None:
        for move in self._told.moves:
            for minute in range(move.start + 10, move.end, _ROUNDS.get(move.ward, _ROUND)):
                self.measure(minute)
