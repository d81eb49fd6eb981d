"""Tables of the synthetic hospital's departments, read with `csv` as the truth says that each is written."""

import csv
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse.datasets.synthetic.formats.tables.forms import FORMS, Form
from tests.datasets.hospital import write

DATES = {"iso": "%Y-%m-%d", "dotted": "%d.%m.%Y", "slashed": "%m/%d/%Y", "named": "%d-%b-%Y"}
KINDS = {
    "pharmacy": "medication",
    "dietetics": "round",
    "vaccination": "immunization",
    "portal": "survey",
}


class Table(NamedTuple):
    """A file: how it is written, as the truth says, and its lines after the header."""

    how: dict
    lines: list[list[str]]


def truth(root: Path, stream: str) -> list[dict]:
    path = root / "truth" / f"{stream}.ndjson"
    return [json.loads(line) for line in path.open()] if path.exists() else []


def defects(root: Path) -> dict[str, dict[str, set[str]]]:
    """By file and row: what is wrong with it."""
    found: dict = defaultdict(lambda: defaultdict(set))
    for row in truth(root, "defect"):
        if row.get("format") == "tables":
            found[row["file"]][row["target"]].add(row["kind"])
    return found


def tables(root: Path) -> Iterator[Table]:
    for how in truth(root, "table_file"):
        data = (root / how["file"]).read_bytes()
        lines = list(
            csv.reader(
                data.decode(how["encoding"], "replace").split("\n")[:-1], delimiter=how["delimiter"]
            )
        )
        if how["header"] == "titled":
            assert len(lines[0]) == 2
            assert lines[1] == []
            lines = lines[2:]
        assert lines[0] == how["columns"]
        yield Table(how, lines[1:])


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("tables") / "out", "tables", patients=84, defects=5000)


@pytest.fixture(scope="module")
def told(root: Path) -> list[Table]:
    return list(tables(root))


def test_the_truth_lists_every_file_and_how_it_is_written(root: Path, told: list[Table]) -> None:
    files = {
        str(path.relative_to(root))
        for path in root.glob("tables/*/*.csv")
        if path.name != "articles.csv"
    }
    assert {table.how["file"] for table in told} == files
    assert {table.how["encoding"] for table in told} == {"utf-8", "cp1252", "utf-16", "utf-8-sig"}
    assert {table.how["delimiter"] for table in told} == {",", ";", "\t", "|"}
    assert {table.how["header"] for table in told} == {"plain", "renamed", "upper", "titled"}
    for table in told:
        data = (root / table.how["file"]).read_bytes()
        assert data.startswith(b"\xff\xfe") == (table.how["encoding"] == "utf-16")
        assert data.startswith(b"\xef\xbb\xbf") == (table.how["encoding"] == "utf-8-sig")


def test_every_row_is_a_record_of_the_story_once(root: Path, told: list[Table]) -> None:
    records = {(row["site"], row["kind"], row["id"]): row for row in truth(root, "record")}
    for table in told:
        kind = KINDS[table.how["department"]]
        ids = [line[0] for line in table.lines if line != table.how["columns"]]
        assert len(ids) == len(set(ids))
        assert {(table.how["site"], kind, one) for one in ids} <= records.keys()
    counts = Counter(table.how["department"] for table in told for _ in table.lines)
    n_orders = sum(
        1
        for row in truth(root, "record")
        if row["kind"] == "medication" and row["at"] < "2026-11-15"
    )
    n_headers = sum(
        line == table.how["columns"]
        for table in told
        if table.how["department"] == "pharmacy"
        for line in table.lines
    )
    assert counts["pharmacy"] == n_orders + n_headers


def oddities(table: Table, line: list[str], row: dict, record: dict) -> set[str]:
    """What is wrong with a row, as a reader finds it; `row` and `record` are the truth."""
    how, found = table.how, set()
    is_shifted, is_cut = len(line) > len(how["columns"]), len(line) < len(how["columns"])
    name = f"{row['family']}, {row['given']}"
    told = line[3 if is_shifted else 2]
    if told != name:
        is_lost = how["encoding"] == "cp1252" and told == name.encode("cp1252", "replace").decode(
            "cp1252"
        )
        found.add("lost_characters" if is_lost else "wrong_encoding")
    if is_shifted or is_cut:
        return {*found, "shifted_row" if is_shifted else "cut_row"}
    if line[1] != (row["mrn"].zfill(10) if how["has_zeros"] else row["mrn"]):
        found.add("lost_zeros")
    day = line[7 if how["department"] == "pharmacy" else 3]
    try:
        when = datetime.strptime(day, DATES[how["dates"]]).astimezone().date()
        assert abs(when - date.fromisoformat(record["at"][:10])).days <= 1
    except ValueError:
        found.add("other_date")
    assert line[-1] == "HTEST: synthetic, no real person"
    return found


def test_every_row_is_broken_as_the_truth_says_and_no_other_is(
    root: Path, told: list[Table]
) -> None:
    known = defects(root)
    charted = {(row["site"], row["encounter"]): row["patient"] for row in truth(root, "encounter")}
    people = {(row["site"], row["patient"]): row for row in truth(root, "registration")}
    records = {(row["site"], row["id"]): row for row in truth(root, "record")}
    seen: set[str] = set()
    for table in told:
        site, headers, found = table.how["site"], [], {}
        for line in table.lines:
            if line == table.how["columns"]:
                headers.append(line)
                continue
            record = records[site, line[0]]
            odd = oddities(table, line, people[site, charted[site, record["encounter"]]], record)
            if headers:
                odd.add("repeated_header")
                headers.clear()
            if odd:
                found[line[0]] = odd
        assert found == known[table.how["file"]]
        seen = seen.union(*found.values())
    assert seen == {
        "repeated_header",
        "shifted_row",
        "cut_row",
        "other_date",
        "wrong_encoding",
        "lost_zeros",
        "lost_characters",
    }


def test_without_defects_only_code_pages_lose_something(tmp_path: Path) -> None:
    root = write(tmp_path / "out", "tables", defects=0)
    assert {"lost_characters"} == {
        kind for rows in defects(root).values() for kinds in rows.values() for kind in kinds
    }


def test_numbers_are_written_with_the_files_own_decimal_mark(root: Path, told: list[Table]) -> None:
    broken = defects(root)
    marks = set()
    for table in told:
        if table.how["department"] != "dietetics":
            continue
        for line in table.lines:
            if line[0] not in broken[table.how["file"]] and line != table.how["columns"]:
                whole, mark, tenth = line[4].partition(table.how["decimal"])
                assert 35 < int(whole) < 140
                assert (len(tenth), mark) == (1, table.how["decimal"])
                marks.add(mark)
    assert marks == {".", ","}


def test_the_pharmacys_articles_are_what_its_list_and_the_truth_say(
    root: Path, told: list[Table]
) -> None:
    known = {(row["site"], row["article"]): row["code"] for row in truth(root, "article")}
    listed = {}
    for path in root.glob("tables/*/articles.csv"):
        mark, _, *lines = path.read_text("cp1252").splitlines()
        assert "HTEST: synthetic" in mark
        listed |= {
            (path.parent.name, number): text
            for number, name, text in csv.reader(lines, delimiter=";")
        }
    assert known.keys() == listed.keys()
    broken = defects(root)
    used = {
        (table.how["site"], line[3])
        for table in told
        if table.how["department"] == "pharmacy"
        for line in table.lines
        if line != table.how["columns"] and line[0] not in broken[table.how["file"]]
    }
    assert used <= known.keys()
    assert {site for site, _ in used} == {"north", "south"}


@settings(max_examples=40)
@given(
    st.sampled_from(FORMS),
    st.lists(st.text(st.characters(min_codepoint=32, max_codepoint=126)), min_size=2, max_size=6),
)
def test_any_cells_survive_a_form(form: Form, cells: list[str]) -> None:
    text = form.encode(form.line(cells)).decode(
        "utf-16-le" if form.encoding == "utf-16" else "cp1252"
    )
    assert list(csv.reader([text], delimiter=form.delimiter)) == [cells]
