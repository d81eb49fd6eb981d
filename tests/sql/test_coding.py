"""silver.coding: a row per coding, wherever it stands."""

import pytest

from lakehouse.catalog.spec import Table
from tests.sql.drawn import CATALOG, Tables
from tests.sql.fhir import LOINC, concept, encounter, observation
from tests.sql.test_nouns import CODED, SNOMED, silver, told


def test_each_coding_of_each_element_is_a_row(tables: Tables) -> None:
    chosen = {
        "system": SNOMED,
        "version": "2026",
        "code": "c",
        "display": "see",
        "userSelected": True,
    }
    pulse = observation(
        code={"coding": [{"system": LOINC, "code": "8867-4"}, {"system": "urn:x", "code": "T"}]},
        category=[concept("a", "urn:c"), {"text": "word"}, {"coding": [{"code": "b"}]}],
        valueCodeableConcept={"coding": [chosen]},
        component=[
            {"code": concept("8480-6")},
            {"code": concept("8462-4"), "valueCodeableConcept": concept("v", "urn:v")},
        ],
    )
    name = silver(tables, "coding", pulse)
    tables.holds(
        name,
        f"""
        element | component_number | concept_number | coding_number | coding_system | coding_code
        code     | 0 | 1 | 1 | {LOINC} | 8867-4
        code     | 0 | 1 | 2 | urn:x   | T
        category | 0 | 1 | 1 | urn:c   | a
        category | 0 | 3 | 1 | -       | b
        valueCodeableConcept | 0 | 1 | 1 | {SNOMED} | c
        component.code | 1 | 1 | 1 | {LOINC} | 8480-6
        component.code | 2 | 1 | 1 | {LOINC} | 8462-4
        component.valueCodeableConcept | 2 | 1 | 1 | urn:v | v
        """,
    )
    tables.holds(
        f"(from {name} where is_user_selected)",
        "coding_version | coding_display | resource_type | resource_id | patient_id\n"
        "2026 | see | Observation | north/o1 | north/p1",
    )


def test_a_coding_that_is_no_concept_is_a_row_too(tables: Tables) -> None:
    name = silver(tables, "coding", encounter())
    tables.holds(name, "element | coding_number | coding_code\nclass | 1 | IMP")


@pytest.mark.parametrize("wrong", ["8867-4", "{", "[1]", 7, [], {}, [{}], {"coding": "x"}, True])
def test_what_is_no_concept_has_no_coding(tables: Tables, wrong: object) -> None:
    tables.holds(silver(tables, "coding", observation(code=wrong)), "element")


def test_what_payers_are_told_is_left_out_and_a_delete_takes_the_codings(tables: Tables) -> None:
    tables.tell(told("claim", type=concept("t")), told("allergy"))
    tables.delete("AllergyIntolerance/x1", "2026-12-01T00:00:00Z")
    tables.build("silver.coding")
    tables.holds("silver.coding", "resource_type")


CODES = {
    table.noun: table
    for table in CATALOG.models()
    if table.layer == "silver" and "codings" in table.columns
}


@pytest.mark.parametrize("table", CODES.values(), ids=lambda table: table.name)
def test_the_code_of_a_noun_is_one_of_its_codings(tables: Tables, table: Table) -> None:
    element, preferred, column = CODED[table.noun]
    codings = [{"system": "urn:x", "code": "a"}, {"system": preferred, "code": "c"}]
    tables.tell(told(table.noun, **{element: {"coding": codings}}))
    tables.build(table.name, "silver.coding")
    joined = (
        f"(from {table.name} as noun join silver.coding as coding "
        f"on coding.resource_id = noun.{table.noun}_id and coding.coding_code = noun.{column}_code)"
    )
    tables.holds(joined, f"element | coding_system | coding_number\n{element} | {preferred} | 2")
