"""A ViewDefinition dropped into sql/fhir is a view of the lake at once: typed, guarded, traced."""

import json
from pathlib import Path
from typing import Any

import pytest

from lakehouse.catalog.load import Catalog
from lakehouse.catalog.spec import Phi
from lakehouse.errors import SourceError, SpecError
from lakehouse.govern.question import ask
from lakehouse.settings import PROJECT
from lakehouse.storage.lake import Lake
from lakehouse.transform.columns import trace_columns
from lakehouse.transform.views import (
    Finding,
    conformance,
    findings_in_file,
    findings_in_lake,
    over_file,
)
from tests.workbench import build_all, day, encounter, lake_at, lines, patient, rows, take

STAYS = {
    "resourceType": "ViewDefinition",
    "name": "stays",
    "description": "One row per type of an encounter.",
    "publisher": "the ward",
    "resource": "Encounter",
    "where": [{"path": "status = 'finished'"}],
    "select": [
        {
            "column": [
                {"name": "stay_key", "path": "getResourceKey()", "type": "string"},
                {"name": "who", "path": "subject.getReferenceKey(Patient)"},
                {
                    "name": "kind",
                    "path": "class.where(system.exists()).code",
                    "tag": [{"name": "lakehouse/phi", "value": "none"}],
                },
            ]
        },
        {"forEachOrNull": "type.coding", "column": [{"name": "typeCode", "path": "code"}]},
    ],
}
MODEL = """/*---
about: One row per stay that ended.
key: [encounter_id]
write: merge
by: {encounter_id: resource_id}
owner: tests
keep: 1 year
---*/
select
  stays.stay_key as encounter_id,
  stays.who as patient_id,
  stays.kind as class_code,
  stays._sequence,
  stays._line,
  stays._entry
from fhir.stays as stays
where stays.kind = 'IMP'
"""


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A lake whose configuration adds a view, and a model over it."""
    declare(tmp_path, STAYS)
    silver = tmp_path / "config" / "sql" / "silver"
    silver.mkdir()
    (silver / "stay.sql").write_text(MODEL)
    return lake_at(tmp_path)


def declare(root: Path, view: Any, name: str = "stays.json") -> None:
    folder = root / "config" / "sql" / "fhir"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(view if isinstance(view, str) else json.dumps(view))


def asked(lake: Lake, query: str) -> list[dict[str, Any]]:
    with ask(lake, query) as found:
        return list(found.read_all().to_pylist())


@pytest.mark.long
def test_a_view_is_queryable_at_once_with_keys_of_the_lake(lake: Lake) -> None:
    typed = {"type": [{"coding": [{"code": "a"}, {"code": "b"}]}]}
    take(lake, patient(), encounter("e1", day(1), **typed), encounter("e2", day(1)))
    take(lake, encounter("e1"), feed="south_ehr")
    take(lake, encounter("e2", day(3), status="planned"))
    found = asked(lake, 'select stay_key, who, kind, "typeCode" from fhir.stays order by all')
    assert [tuple(row.values()) for row in found] == [
        ("north/e1", "north/p1", "IMP", "a"),
        ("north/e1", "north/p1", "IMP", "b"),
        ("south/e1", "south/p1", "IMP", None),
    ]
    envelope = asked(
        lake, "select source, resource_id, patient_id, version_basis, _line from fhir.stays"
    )
    assert {row["resource_id"] for row in envelope} == {"north/e1", "south/e1"}
    assert {row["_line"] for row in envelope} == {1, 2}


@pytest.mark.long
def test_a_model_reads_it_and_recomputes_what_changed(lake: Lake) -> None:
    take(lake, encounter("e1", day(1)), encounter("e2", day(1), status="planned"))
    assert build_all(lake)["silver.stay"].rows == 1
    take(lake, encounter("e2", day(2)))
    built = build_all(lake)["silver.stay"]
    assert (built.mode, built.written, built.rows) == ("incremental", 1, 2)
    assert [row["patient_id"] for row in rows(lake, "silver.stay")] == ["north/p1"] * 2


def test_a_column_takes_its_own_type_and_the_most_restrictive_class(lake: Lake) -> None:
    table = lake.catalog.table("fhir.stays")
    told = {name: lake.catalog.column(table, name) for name in table.columns}
    assert (told["who"].type, told["who"].phi) == ("varchar", Phi.FREE_TEXT)
    assert told["kind"].phi is Phi.NONE
    assert (table.about, table.owner) == ("One row per type of an encounter.", "the ward")


@pytest.mark.long
def test_lineage_names_the_json_paths(lake: Lake) -> None:
    edges = trace_columns(lake.catalog.table("silver.stay"), lake.catalog)
    told = {
        (e.column, e.source_column, e.path, e.kind)
        for e in edges
        if e.source == "bronze.fhir_resource"
    }
    assert ("encounter_id", "resource_id", None, "DIRECT") in told
    assert ("patient_id", "resource", "$.subject.reference", "DIRECT") in told
    assert ("patient_id", "source", None, "DIRECT") in told
    assert ("class_code", "resource", "$.class.code", "DIRECT") in told
    assert ("class_code", "resource", "$.class.system", "INDIRECT") in told
    assert ("*", "resource", "$.status", "INDIRECT") in told
    assert ("*", "resource", "$.type[*].coding[*]", "INDIRECT") in told
    assert not any(path == "$.type[*].coding[*]" for _, _, path, kind in told if kind == "DIRECT")


@pytest.mark.long
def test_a_changed_view_changes_what_identifies_its_models(lake: Lake, tmp_path: Path) -> None:
    before = lake.catalog.fingerprint(lake.catalog.table("silver.stay"))
    declare(tmp_path, STAYS | {"where": [{"path": "status = 'planned'"}]})
    after = lake_at(tmp_path).catalog
    assert after.fingerprint(after.table("silver.stay")) != before


WRONG = [
    ("stays.json", "{", "fhir/stays.json: not JSON"),
    ("stays.json", STAYS | {"resource": "Nobody"}, "fhir/stays.json: the view names no resource"),
    (
        "stays.json",
        STAYS | {"where": [{"path": "status ="}]},
        "fhir/stays.json: where[0]: the path ends",
    ),
    ("Stays.json", STAYS, "fhir/Stays.json is not a name"),
    ("resource.json", STAYS, "declared as .sql and as .json"),
]


@pytest.mark.parametrize(("name", "view", "said"), WRONG, ids=range(len(WRONG)))
def test_a_wrong_view_does_not_load_and_names_its_file(
    tmp_path: Path, name: str, view: Any, said: str
) -> None:
    declare(tmp_path, view, name)
    with pytest.raises(SpecError, match=said.replace("[", r"\[")):
        Catalog.read(
            [PROJECT / "sql", tmp_path / "config" / "sql"], PROJECT / "dags" / "feeds.toml"
        )


LINES = [
    (b'{"resourceType":"Encounter","id":"e","status":"finished"}\r\n\r\n\n', 1),
    (b'{"resourceType":"Encounter","id":"\\u0001\\u2028\xc2\x85","status":"finished"}', 1),
    (b"", 0),
    (b'{"resourceType":\n', SourceError),
    (b'{"resourceType":"\xff"}\n', SourceError),
    (b'{"resourceType":"\x01"}\n', SourceError),
    (b"x" * (17 * 2**20) + b"\n", SourceError),
]


@pytest.mark.long
@pytest.mark.parametrize(("content", "told"), LINES, ids=range(len(LINES)))
def test_a_file_gives_its_rows_or_says_that_it_cannot_be_read(
    lake: Lake, tmp_path: Path, content: bytes, told: Any
) -> None:
    path = tmp_path / "it's a file.ndjson"
    path.write_bytes(content)
    if told is SourceError:
        with pytest.raises(SourceError), over_file(STAYS, path, lake.settings) as found:
            found.read_all()
        return
    with over_file(STAYS, path, lake.settings) as found:
        assert found.read_all().num_rows == told


@pytest.mark.long
def test_findings_are_counted_alike_in_the_lake_in_a_file_and_at_hand(
    lake: Lake, tmp_path: Path
) -> None:
    right = encounter("e1", day(1))
    wrong = [
        right | {"id": "e2", "status": 5, "class": "IMP"},
        right | {"id": "e3", "type": [{"coding": {"code": "Canary"}}, {"coding": [{"code": 1}]}]},
        right | {"id": "e4", "class": {"system": ["Canary"], "code": "IMP"}},
    ]
    told = [
        Finding(("kind",), "$.class", 1),
        Finding(("kind",), "$.class.system", 1),
        Finding((), "$.status", 1),
        Finding(("typeCode",), "$.type[*].coding", 1),
        Finding(("typeCode",), "$.type[*].coding[*].code", 1),
    ]
    resources = [right, *wrong, patient("p1", day(1))]
    path = tmp_path / "it's a file.ndjson"
    path.write_bytes(lines(resources))
    take(lake, *resources)
    assert conformance(STAYS, resources) == told
    assert findings_in_file(STAYS, path, lake.settings) == told
    assert findings_in_lake(STAYS, lake) == told
    # what is corrected is found no more
    take(lake, *(right | {"id": one["id"]} for one in wrong))
    assert findings_in_lake(STAYS, lake) == []
    path.write_bytes(b"not JSON\n")
    with pytest.raises(SourceError):
        findings_in_file(STAYS, path, lake.settings)
