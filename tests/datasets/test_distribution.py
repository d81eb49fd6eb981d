"""The people of the synthetic hospital are as docs/synthetic.md says, beside what is stated elsewhere: ages,
stays, values, who comes back.
"""

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator

import pytest

from lakehouse.datasets.synthetic import Population
from lakehouse.datasets.synthetic.clock import BEGIN, DAY, moment
from lakehouse.datasets.synthetic.model import Encounter, Person, Result
from lakehouse.datasets.synthetic.outcomes import outcomes
from lakehouse.datasets.synthetic.words import labs
from lakehouse.datasets.synthetic.words.labs import Analyte

POPULATION = Population(2100, 11)

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def people() -> list[Person]:
    return list(POPULATION.people())


def stays(people: list[Person]) -> Iterator[Encounter]:
    return (one for person in people for one in person.encounters if one.is_inpatient)


def test_they_are_the_patients_of_a_hospital_not_a_country(people: list[Person]) -> None:
    ages = [(BEGIN.date() - person.truth.born).days / 365.25 for person in people]
    assert 55 < statistics.mean(ages) < 63
    assert 18 <= min(ages) <= 20
    assert 85 < max(ages) < 92
    women = sum(person.truth.sex == "female" for person in people) / len(people)
    assert 0.54 < women < 0.60


# of 33 million stays of US adults (HCUP Facts and Figures 2009, exhibit 5.1)
WOMEN = 0.60
AGES = {45: 0.30, 65: 0.29, 85: 0.32, 200: 0.09}
"""By the age that the band ends before."""


def in_hospital(people: list[Person]) -> list[tuple[Person, Encounter]]:
    return [
        (person, one)
        for person in people
        for one in person.encounters
        if one.is_inpatient and one.organization == "hospital"
    ]


def test_stays_are_of_the_sex_and_age_that_they_are_of_in_the_united_states(
    people: list[Person],
) -> None:
    told = in_hospital(people)
    women = sum(person.truth.sex == "female" for person, _ in told) / len(told)
    assert abs(women - WOMEN) < 0.04
    bands = Counter(
        next(band for band in AGES if years(person, one) < band) for person, one in told
    )
    # the courses for the old, pneumonia and lung disease, have more than half of the stays
    for band, share in AGES.items():
        assert abs(bands[band] / len(told) - share) < 0.13, band


def years(person: Person, one: Encounter) -> float:
    return (moment(one.start).date() - person.truth.born).days / 365.25


# 36 million US stays: 4.5 days, men's longer (HCUP Statistical Brief 180); infarction: median 3, quartiles
# 2 and 6 (Bhat et al., Medicina 2022, 58, 1846); birth: 2.6 (National Hospital Discharge Survey 2003)
def test_stays_are_as_long_as_they_are_elsewhere(people: list[Person]) -> None:
    told = in_hospital(people)
    days = {(person.number, one.id): (one.end - one.start) / DAY for person, one in told}
    of = {
        sex: statistics.mean(days[p.number, one.id] for p, one in told if p.truth.sex == sex)
        for sex in ("male", "female")
    }
    assert 3 < statistics.mean(days.values()) < 4.5
    assert of["female"] < of["male"]
    hearts = [days[p.number, one.id] for p, one in told if one.reason.code == "I21.4"]
    assert abs(statistics.median(hearts) - 3) < 0.5
    births = [days[p.number, one.id] for p, one in told if one.module == "pregnancy"]
    assert abs(statistics.mean(births) - 2.6) < 0.7


# 13.9 % of US stays in 2016, of all causes, planned ones too (HCUP Statistical Brief 248, figure 1)
READMITTED = 0.139


def test_one_in_seven_comes_back_within_thirty_days(people: list[Person]) -> None:
    told = [row for person in people for row in outcomes(person, POPULATION)]
    for column in ("is_readmitted", "is_readmitted_as_charted"):
        known = [row[column] for row in told if row[column] is not None]
        share = sum(map(bool, known)) / len(known)
        assert 0.10 <= share <= 0.20
        assert abs(share - READMITTED) < 0.03


DAYS = {
    "chest_pain": (2, 4),
    "copd": (3, 5),
    "knee": (2, 3),
    "pneumonia": (4, 6),
    "pregnancy": (1.5, 2.6),
}


@pytest.mark.parametrize("module", DAYS)
def test_a_stay_is_as_long_as_such_stays_are(people: list[Person], module: str) -> None:
    days = [
        (one.end - one.start) / DAY
        for one in stays(people)
        if one.module == module and one.organization == "hospital"
    ]
    low, high = DAYS[module]
    assert low < statistics.mean(days) < high


def test_two_of_five_with_pneumonia_get_worse_and_a_quarter_of_these_die(
    people: list[Person],
) -> None:
    ill = [person for person in people if person.module == "pneumonia"]
    worse = [person for person in ill if any(one.deteriorated for one in person.encounters)]
    assert 0.35 < len(worse) / len(ill) < 0.45
    assert 0.2 < sum(person.died is not None for person in worse) / len(worse) < 0.3


# a reference range holds 95 of 100 healthy people (CLSI EP28-A3c)
NORMAL = (
    "Sodium",
    "Potassium",
    "Chloride",
    "Creatinine",
    "Glucose",
    "Calcium",
    "Hemoglobin",
    "Leukocytes",
    "Platelets",
)


def test_most_values_of_a_check_up_lie_in_the_reference_range(people: list[Person]) -> None:
    flags: dict[str, Counter[str]] = defaultdict(Counter)
    for person in people:
        for result in results(person, "wellness"):
            flags[result.analyte.name][result.flag] += bool(result.flag)
    for name in NORMAL:
        assert 0.93 < flags[name]["N"] / flags[name].total() < 0.99, name


# MSD Manual, table Blood Tests; sodium and potassium: Medicine 21, ranges in healthy adults; cells: Medical Council
# of Canada, Clinical Laboratory Tests. A range of men and one of women are taken together.
RANGES = {
    "Sodium": (136, 145),
    "Potassium": (3.5, 5.0),
    "Chloride": (98, 106),
    "Creatinine": (0.6, 1.2),
    "Glucose": (70, 110),
    "Calcium": (8.5, 10.5),
    "Hemoglobin": (12, 18),
    "Hematocrit": (37, 52),
    "Leukocytes": (4, 10),
    "Platelets": (130, 400),
    "pH": (7.35, 7.45),
    "pCO2": (35, 45),
}
SAME_UNITS = [told for told in vars(labs).values() if isinstance(told, Analyte)]


def overlap(ours: tuple[float, float], theirs: tuple[float, float]) -> float:
    """The share of all that either spans which both do."""
    both = min(ours[1], theirs[1]) - max(ours[0], theirs[0])
    return both / (max(ours[1], theirs[1]) - min(ours[0], theirs[0]))


@pytest.mark.parametrize("name", RANGES)
def test_a_reference_range_is_the_stated_one(name: str) -> None:
    (told,) = (one for one in SAME_UNITS if one.name == name)
    ours = (told.low / told.parts, told.high / told.parts)
    assert overlap(ours, RANGES[name]) > 0.8


@pytest.mark.parametrize("name", NORMAL)
def test_the_middle_ninety_five_of_a_hundred_values_span_the_stated_range(
    people: list[Person], name: str
) -> None:
    values = [
        one.value / one.analyte.parts
        for person in people
        for one in results(person, "wellness")
        if one.analyte.name == name and one.value is not None
    ]
    cuts = statistics.quantiles(values, n=40)
    assert overlap((cuts[0], cuts[-1]), RANGES[name]) > 0.7


def test_no_value_is_beyond_what_its_instrument_can_tell(people: list[Person]) -> None:
    for person in people:
        for one in person.encounters:
            for result in (result for panel in one.panels for result in panel.results):
                low, high = result.analyte.limits
                assert result.value is None or low <= result.value <= high


def results(person: Person, module: str) -> Iterator[Result]:
    for one in person.encounters:
        for panel in one.panels if one.module == module else ():
            yield from panel.results


def test_who_has_diabetes_has_the_sugar_of_it(people: list[Person]) -> None:
    told = [
        result.value / 10
        for person in people
        for result in results(person, "diabetes")
        if result.analyte.name == "Hemoglobin A1c" and result.value
    ]
    assert 6.5 < statistics.mean(told) < 7.8


def test_a_site_is_wrong_about_a_third_of_its_patients_and_misses_a_third_of_the_numbers(
    people: list[Person],
) -> None:
    flaws = Counter(
        flaw for person in people for told in person.registrations for flaw in told.flaws
    )
    total = sum(len(person.registrations) for person in people)
    assert 0.26 < flaws["missing_ssn"] / total < 0.34
    assert 0.05 < flaws["typo"] / total < 0.09
    assert 0.12 < flaws["moved_house"] / total < 0.18
    assert (
        0.2
        < sum(len({told.site for told in person.registrations}) > 1 for person in people)
        / len(people)
        < 0.27
    )
