"""Where the columns of views come from, as of tables."""

import json
from pathlib import Path

import pytest

from lakehouse.catalog.load import Catalog
from lakehouse.catalog.spec import Write
from lakehouse.provenance import lineage_lines
from lakehouse.settings import PROJECT
from lakehouse.transform.ancestry import ancestors
from tests.test_laws import CATALOG

VIEWS = [table.name for table in CATALOG.tables.values() if table.write is Write.VIEW]

VIEW = {
    "resourceType": "ViewDefinition",
    "name": "born",
    "resource": "Patient",
    "status": "active",
    "select": [{"column": [
        {"name": "id", "path": "getResourceKey()"},
        {"name": "born", "path": "birthDate"},
        {"name": "family", "path": "name.where(use = 'official').family.first()"},
    ]}],
}  # fmt: skip


@pytest.mark.parametrize("name", VIEWS)
def test_every_column_of_a_view_has_a_source(name: str) -> None:
    found = ancestors(CATALOG, name)
    view = CATALOG.table(name)
    direct = {
        a.edge.column for a in found if a.table == name and a.edge.source.startswith("bronze.")
    }
    # a number of a row is made of which rows there are
    told = view.definition
    numbers = {column for column in told.columns if not told.paths[column]} if told else set()
    assert not numbers or (told and told.rows)
    assert set(view.columns) - direct - set(view.constants or ()) - numbers == set()


def test_a_column_of_a_view_names_what_it_is_made_of() -> None:
    lines = "\n".join(
        lineage_lines("fhir.reference.element", ancestors(CATALOG, "fhir.reference.element"))
    )
    assert "from bronze.fhir_resource: resource" in lines
    assert "decided by codes.reference_lookalike: element" in lines


def test_a_view_definition_names_the_json_paths(tmp_path: Path) -> None:
    (tmp_path / "fhir").mkdir()
    (tmp_path / "fhir" / "born.json").write_text(json.dumps(VIEW))
    catalog = Catalog.read([PROJECT / "sql", tmp_path], PROJECT / "dags" / "feeds.toml")
    found = {(a.edge.column, a.edge.kind, a.edge.path) for a in ancestors(catalog, "fhir.born")}
    assert ("born", "DIRECT", "$.birthDate") in found
    assert ("family", "DIRECT", "$.name[*].family") in found
    assert ("family", "INDIRECT", "$.name[*].use") in found
    only = {a.edge.column for a in ancestors(catalog, "fhir.born.born")}
    assert only == {"born", "*"}
