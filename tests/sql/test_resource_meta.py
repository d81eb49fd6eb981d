"""silver.resource_meta: the labels by which rows are shown or not."""

from tests.sql.drawn import Tables
from tests.sql.fhir import observation, patient
from tests.sql.test_nouns import silver

CONFIDENTIAL = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"


def test_each_resource_has_its_labels_or_is_known_to_have_none(tables: Tables) -> None:
    meta = {
        "security": [{"system": CONFIDENTIAL, "code": "R"}, {"code": "HTEST"}, {"system": "urn:x"}],
        "tag": [{"system": "urn:t", "code": "a"}],
        "profile": ["urn:p1", "urn:p2"],
        "source": "urn:ehr",
    }
    name = silver(tables, "resource_meta", observation(meta=meta), patient())
    found = tables.db.execute(
        f"select resource_type, resource_id, patient_id, security_labels, tags, profiles, "
        f"system_url from {name} order by 1"
    ).fetchall()
    assert found == [
        (
            "Observation",
            "north/o1",
            "north/p1",
            [f"{CONFIDENTIAL}|R", "|HTEST", "urn:x|"],
            ["urn:t|a"],
            ["urn:p1", "urn:p2"],
            "urn:ehr",
        ),
        ("Patient", "north/p1", "north/p1", [], [], [], None),
    ]


def test_only_the_current_version_labels(tables: Tables) -> None:
    tables.tell(patient(meta={"security": [{"code": "R"}]}))
    tables.tell(patient(meta={"security": [{"code": "N"}]}))
    tables.build("silver.resource_meta")
    tables.holds("silver.resource_meta", "len(security_labels)\n1")
    assert tables.one("select security_labels[1] from silver.resource_meta") == "|N"


def test_a_label_that_is_no_list_is_no_label_and_the_row_stands(tables: Tables) -> None:
    name = silver(tables, "resource_meta", patient(meta={"security": "R", "tag": {}}))
    tables.holds(name, "security_labels | tags\n[] | []")
