"""What is true of a person and what happens to them. No format knows anything else, and none is
known here.

Times are whole minutes since `clock.BEGIN`. An `id` is what the systems of the encounter's site
call the record; it is unique there among records of its kind and may be somebody else's at
another site. Numbers with decimals are whole numbers of 1/`parts`.
"""

from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from lakehouse.datasets.synthetic.words.codes import Code
from lakehouse.datasets.synthetic.words.drugs import Drug
from lakehouse.datasets.synthetic.words.imaging import Examination, Finding
from lakehouse.datasets.synthetic.words.labs import Analyte, Battery
from lakehouse.datasets.synthetic.words.surveys import Questionnaire


@dataclass(frozen=True, slots=True)
class Address:
    """A home in an invented town."""

    line: str
    city: str
    state: str
    postal_code: str


@dataclass(frozen=True, slots=True)
class Demographics:
    """Who somebody is: the truth, or what one site believes (`Registration`)."""

    given: str
    middle: str
    family: str
    born: date
    sex: str
    """`female` or `male`."""
    ssn: str | None
    """Shaped like a social security number, from the range 900-999 that is never given out."""
    address: Address
    phone: str | None
    email: str | None


@dataclass(frozen=True, slots=True)
class Registration:
    """A person as one site knows them. A person registered twice at a site has two."""

    site: str
    id: str
    mrn: str
    """The medical record number, printed on every form of the site."""
    demographics: Demographics
    at: int
    flaws: tuple[str, ...]
    """What is wrong in the demographics: typo, nickname, swapped_date, moved_house, missing_ssn,
    …"""
    is_duplicate: bool = False
    """True for the second registration of the same person at the same site."""


@dataclass(frozen=True, slots=True)
class Contact:
    """A relative, who is also the emergency contact."""

    given: str
    family: str
    relationship: Code
    phone: str


@dataclass(frozen=True, slots=True)
class Move:
    """Time in one ward; `bed` is like `med-12`."""

    ward: str
    bed: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A condition as it was written down in an encounter."""

    id: str
    code: Code
    """ICD-10-CM."""
    snomed: Code | None
    is_principal: bool
    onset: int
    abated: int | None
    recorded: int
    verification: str = "confirmed"
    """`confirmed`, `provisional` or `refuted`."""


class Signs(NamedTuple):
    """Vital signs: per minute, per minute, %, 1/10 °C, mm Hg, mm Hg; a tuple, as there are many."""

    heart_rate: int
    respiratory_rate: int
    oxygen_saturation: int
    temperature: int
    systolic: int
    diastolic: int


@dataclass(frozen=True, slots=True)
class Round:
    """Vital signs as a nurse wrote them down; weight in 1/10 kg, height in cm, pain from 0 to
    10."""

    id: str
    minute: int
    recorded: int
    signs: Signs
    weight: int | None = None
    height: int | None = None
    pain: int | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """One value of a laboratory battery: `value` in 1/`analyte.parts`, or `text`, or why it is
    absent."""

    id: str
    analyte: Analyte
    value: int | None
    comparator: str = ""
    """`<` or `>` where the value is beyond what the instrument can tell."""
    flag: str = "N"
    """HL7 table 0078: LL L N H HH, A for an abnormal text, empty where there is no value."""
    text: str = ""
    absent: str = ""
    """HL7 data-absent-reason, such as `error` for a haemolysed sample."""
    preliminary: int | None = None
    """A value reported before the final one."""


@dataclass(frozen=True, slots=True)
class Panel:
    """A battery that was ordered, drawn and resulted. `filler` is the laboratory's accession
    number."""

    id: str
    battery: Battery
    placer: str
    filler: str
    ordered: int
    collected: int
    resulted: int
    results: tuple[Result, ...]
    is_urgent: bool = False
    preliminary_at: int | None = None


@dataclass(frozen=True, slots=True)
class Medication:
    """A drug that was ordered. `doses` are the minutes in which a nurse gave it."""

    id: str
    drug: Drug
    ordered: int
    setting: str
    """`inpatient`, `outpatient` or `discharge`."""
    stopped: int | None
    doses: tuple[int, ...] = ()
    refills: int = 0


@dataclass(frozen=True, slots=True)
class Implant:
    """A device that stays in the body."""

    id: str
    device: Code
    identifier: str
    serial: str
    lot: str
    made: int


@dataclass(frozen=True, slots=True)
class Procedure:
    """Something that was done; ICD-10-PCS or SNOMED CT."""

    id: str
    code: Code
    start: int
    end: int
    implant: Implant | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """One series of a study, of `n_instances` images with the UIDs of `instance_uid`."""

    number: int
    modality: str
    description: str
    uid: str
    n_instances: int

    def instance_uid(self, number: int) -> str:
        """The SOP instance UID of an image of the series, counted from 1."""
        return f"2.25.{int(self.uid[5:]) + number}"


@dataclass(frozen=True, slots=True)
class Imaging:
    """An examination from its order to its report. `accession` and `study_uid` are those of
    every format."""

    id: str
    examination: Examination
    accession: str
    placer: str
    study_uid: str
    ordered: int
    performed: int
    reported: int
    series: tuple[Series, ...]
    finding: Finding
    radiologist: int
    """The number of a practitioner of the site."""


@dataclass(frozen=True, slots=True)
class Document:
    """A note that somebody wrote; `about` is the id of the examination that a report is of."""

    id: str
    kind: str
    """`admission`, `progress`, `discharge`, `radiology`, `visit`, `operative`."""
    minute: int
    author: int
    about: str = ""


@dataclass(frozen=True, slots=True)
class Allergy:
    """An allergy or intolerance."""

    id: str
    substance: Code
    reaction: Code
    severity: str
    recorded: int


@dataclass(frozen=True, slots=True)
class Immunization:
    """A vaccine (CVX) that was given, or not done (`is_given` false: the patient objected)."""

    id: str
    vaccine: Code
    minute: int
    lot: str
    is_given: bool = True


@dataclass(frozen=True, slots=True)
class Survey:
    """What a patient answered; one whole number a question."""

    id: str
    questionnaire: Questionnaire
    minute: int
    answers: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class CarePlan:
    """A plan for a long illness with one goal and a team. `target` is in 1/10 of the goal's
    unit."""

    id: str
    reason: Code
    goal: str
    analyte: Analyte
    target: int
    start: int
    team: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Encounter:
    """One visit or stay with all that happened in it.

    `patient` is the id under which the site charted it, one of the person's registrations there.
    """

    id: str
    number: int
    site: str
    patient: str
    visit_number: str
    """The account number of the visit, which HL7 calls PV1-19."""
    module: str
    kind: Code
    """SNOMED CT: what kind of encounter."""
    setting: str
    """HL7 v3 ActCode: AMB, EMER or IMP."""
    start: int
    end: int
    reason: Code
    """ICD-10-CM."""
    attending: int
    organization: str
    """`hospital` or `partner`, who has the rehabilitation ward."""
    disposition: str
    """HL7 discharge-disposition: home, exp, aadvice, other-hcf, snf, rehab."""
    is_elective: bool
    moves: tuple[Move, ...]
    baseline: Signs
    illness: Signs
    """How far each vital sign moves at severity 100."""
    course: tuple[tuple[int, int], ...]
    """Severity 0-100 by minute; between two points it changes evenly (`physiology`)."""
    noise: int
    deteriorated: int | None
    """The minute in which the patient began to need intensive care."""
    monitored: tuple[tuple[int, int], ...]
    """When a bedside monitor was connected."""
    diagnoses: tuple[Diagnosis, ...] = ()
    rounds: tuple[Round, ...] = ()
    panels: tuple[Panel, ...] = ()
    medications: tuple[Medication, ...] = ()
    procedures: tuple[Procedure, ...] = ()
    imaging: tuple[Imaging, ...] = ()
    documents: tuple[Document, ...] = ()
    allergies: tuple[Allergy, ...] = ()
    immunizations: tuple[Immunization, ...] = ()
    surveys: tuple[Survey, ...] = ()
    care_plans: tuple[CarePlan, ...] = ()
    smoking: str = ""
    """`never`, `former`, `current`, or nothing where nobody asked."""

    @property
    def is_inpatient(self) -> bool:
        """True for a stay in a ward."""
        return self.setting == "IMP"


@dataclass(frozen=True, slots=True)
class Change:
    """What a site does to a record after it wrote it down; `changes` says which kinds there are."""

    kind: str
    site: str
    at: int
    target: str
    """The id of the record, of the kind that the change's kind implies."""
    value: int | None = None
    other: str = ""
    """The id of another record that takes part: a merge's survivor, the copy of a duplicate."""
    right: int | None = None
    """What a corrected value is in truth; both in 1/`parts`."""
    parts: int = 1


@dataclass(frozen=True, slots=True)
class Person:
    """One person: the truth about them, their registrations, and their life in the order of
    time."""

    number: int
    id: str
    """The key of the truth, which no site knows."""
    key: bytes
    """For draws of a renderer's own: `Dice(person.key).at("notes")`."""
    module: str
    truth: Demographics
    nickname: str
    former_family: str
    former_address: Address
    race: Code
    ethnicity: Code
    language: str
    marital: str
    insurance_number: str
    payer: int
    contact: Contact
    height: int
    """cm"""
    weight: int
    """1/10 kg"""
    smoking: str
    died: int | None
    registrations: tuple[Registration, ...]
    encounters: tuple[Encounter, ...]
    changes: tuple[Change, ...]

    def at_site(self, site: str) -> list[Registration]:
        """The registrations at a site, the first one first; empty where the site never saw them."""
        return [found for found in self.registrations if found.site == site]
