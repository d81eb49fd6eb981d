"""The people of the synthetic hospital are as docs/synthetic.md says: ages, stays, values, who comes back."""

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator

import pytest

from lakehouse.datasets.synthetic import Population
from lakehouse.datasets.synthetic.clock import BEGIN, DAY
from lakehouse.datasets.synthetic.model import Encounter, Person, Result
from lakehouse.datasets.synthetic.outcomes import outcomes

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


def test_one_in_seven_comes_back_within_thirty_days(people: list[Person]) -> None:
    told = [row for person in people for row in outcomes(person, POPULATION)]
    for column in ("is_readmitted", "is_readmitted_as_charted"):
        known = [row[column] for row in told if row[column] is not None]
        assert 0.10 <= sum(map(bool, known)) / len(known) <= 0.20


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
