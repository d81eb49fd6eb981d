"""docs/us-core.md says of each noun which column holds what US Core asks for, and says true."""

import re

import pytest

from lakehouse.settings import PROJECT
from tests.sql.drawn import CATALOG

PAGE = (PROJECT / "docs" / "us-core.md").read_text()
SECTIONS = {
    part.partition("\n")[0]: part.partition("\n")[2]
    for part in re.split(r"^## (?=silver\.)", PAGE, flags=re.M)[1:]
}
NAME = re.compile(r"`([^`]+)`")
OTHER = re.compile(r"\bsilver\.\w+")
SILVER = [table.name for table in CATALOG.models() if table.layer == "silver"]


def rows(section: str) -> list[tuple[str, str]]:
    """Element and cell of each line of the table, without its head."""
    lines = [line for line in SECTIONS[section].splitlines() if line.startswith("|")][2:]
    return [tuple(map(str.strip, line.strip("|").split("|"))) for line in lines]  # type: ignore[misc]  # two cells


def test_each_silver_noun_has_a_section_and_there_is_no_other() -> None:
    assert sorted(SECTIONS) == sorted(SILVER)
    assert list(SECTIONS) == sorted(SECTIONS)


@pytest.mark.parametrize("section", SECTIONS)
def test_each_column_that_is_named_is_one_of_the_table(section: str) -> None:
    named = NAME.findall(SECTIONS[section])
    assert set(named) - set(CATALOG.table(section).columns) == set()
    assert named


@pytest.mark.parametrize("section", SECTIONS)
def test_an_element_has_a_column_or_a_table_or_a_reason(section: str) -> None:
    found = rows(section)
    assert len({element for element, _ in found}) == len(found)
    for element, cell in found:
        told = (
            NAME.search(cell) or OTHER.search(cell) or cell.startswith(("no: ", "chosen by it: "))
        )
        assert told or cell.startswith("as "), element


def test_each_table_that_is_named_exists() -> None:
    assert set(OTHER.findall(PAGE)) <= set(SILVER)


@pytest.mark.parametrize("section", SECTIONS)
def test_an_element_that_is_said_to_be_left_out_has_no_column(section: str) -> None:
    for _, cell in rows(section):
        assert not (cell.startswith("no:") and NAME.search(cell))


@pytest.mark.parametrize("name", SILVER)
def test_no_code_is_taken_for_being_the_first(name: str) -> None:
    table = CATALOG.table(name)
    assert "coding[1]" not in table.sql
    for read in filter(None, map(CATALOG.tables.get, table.reads)):
        assert "coding.first()" not in (PROJECT / "sql" / read.path).read_text()
