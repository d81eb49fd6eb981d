"""Every verb that opens the lake ends with its documented code, however often it is called."""

import json
import os
import subprocess
import sys
from itertools import cycle, islice
from pathlib import Path

import pytest

from lakehouse.cli import main, parser, verbs
from lakehouse.settings import PROJECT, Settings
from tests.workbench import (
    build_all,
    day,
    drop,
    encounter,
    ingest,
    lake_at,
    lines,
    patient,
    settings_at,
)

KEY = "north/e1"
VIEW = {
    "resource": "Patient",
    "select": [{"column": [{"name": "key", "path": "getResourceKey()"}]}],
}
CALLS = [
    (("tables",), 0),
    (("tables", "--json"), 0),
    (("sql", "select count(*) from silver.encounter"), 0),
    (("sql", "select * from gold.readmission", "--format", "csv"), 0),
    (("sql", "select * from silver.encounter", "--as-of", "silver.encounter=1"), 0),
    (("sql", "select * from silver.encounter", "--as-of", "2020-01-01"), 0),
    (("sql", "select 1; select 2"), 10),
    (("sql", "select * from silver.nothing"), 10),
    (("sql", "drop view silver.encounter"), 10),
    (("sql", "select * from read_text('/etc/hostname')"), 12),
    (("sql", "select 1", "--as-of", "yesterday"), 10),
    (("lineage", "gold.readmission.encounter_id"), 0),
    (("lineage", "gold.nothing"), 10),
    (("trace", "gold.readmission", KEY), 0),
    (("trace", "gold.readmission", "north/none"), 10),
    (("quarantine",), 0),
    (("quarantine", "--json"), 0),
    (("quarantine", "list", "--table", "quarantine.north_ehr", "--json"), 0),
    (("quarantine", "list", "--table", "quarantine.nobody"), 10),
    (("quarantine", "show", "quarantine.north_ehr", "--delivery", "9", "--line", "9"), 10),
    (("quarantine", "replay", "north_ehr", "--all", "--why", "test data"), 0),
    (("quarantine", "dismiss", "north_ehr", "--why", "test data"), 10),
    (("quarantine", "dismiss", "north_ehr", "--all", "--why", "he asked"), 10),
    (("quarantine", "replay", "silver.encounter", "--all", "--why", "test data"), 0),
    (("quarantine", "dismiss", "silver.encounter", "--reason", "x", "--why", "test data"), 0),
    (("quarantine", "dismiss", "silver.encounter", "--why", "test data"), 10),
    (("quarantine", "dismiss", "bronze.fhir_resource", "--all", "--why", "test data"), 10),
    (("feeds",), 0),
    (("catalogue", "readmission", "--json"), 0),
    (("table", "silver.encounter"), 0),
    (("table", "silver.nothing"), 10),
    (("runs", "--table", "silver.encounter"), 0),
    (("runs", "--run", "nothing"), 10),
    (("runs", "--object", "nothing"), 0),
    (("state", "rebuild"), 0),
    (("state",), 2),
    (("view", "check", "VIEW"), 0),
    (("view", "check", "not-there.json"), 10),
    (("view", "check", "NDJSON"), 10),
    (("view", "run", "VIEW"), 0),
    (("view", "run", "VIEW", "--table", "bronze.fhir_resource", "--format", "json"), 0),
    (("view", "run", "VIEW", "--from", "NDJSON", "--format", "parquet"), 0),
    (("view", "run", "VIEW", "--from", "VIEW"), 0),
    (("view", "run", "VIEW", "--from", "not-there.ndjson"), 10),
    (("view", "run", "VIEW", "--table", "silver.patient"), 2),
    (("view", "findings", "VIEW", "--json"), 0),
    (("view", "findings", "VIEW", "--from", "NDJSON"), 0),
    (("view", "findings", "VIEW", "--from", "not-there.ndjson"), 10),
    (("view", "findings", "NDJSON"), 10),
    (("run", "--table", "silver.encounter"), 0),
    (("run", "--feed", "nobody"), 10),
    (("land", "north_ehr", "not-there.ndjson"), 10),
    (("land", "north_ehr", __file__), 0),
    (("govern",), 0),
    (("sql",), 2),
    (("status",), 13),
    (("status", "--json"), 13),
    (("pull", "nobody"), 10),
    (("pull", "north_ehr"), 10),
]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    root = tmp_path_factory.mktemp("cli")
    lake = lake_at(root)
    drop(lake, "north_ehr", "a.ndjson", [patient("p1", day(1)), encounter("e1", day(1))])
    ingest(lake)
    build_all(lake, ["silver.encounter", "gold.readmission"])
    (root / "VIEW").write_text(json.dumps(VIEW))
    (root / "NDJSON").write_bytes(lines([patient("p1"), patient("p2")]))
    return settings_at(root)


def environment(settings: Settings) -> dict[str, str]:
    return {**os.environ, **settings.environment}


def placed(settings: Settings, words: tuple[str, ...]) -> list[str]:
    """What is called, with the files of these tests where they lie."""
    places = {name: str(settings.home.parent / name) for name in ("VIEW", "NDJSON")}
    return [places.get(word, word) for word in words]


def code(settings: Settings, words: tuple[str, ...]) -> int:
    command = [sys.executable, "-m", "lakehouse", *placed(settings, words)]
    given = environment(settings)
    return subprocess.run(command, env=given, capture_output=True, check=False).returncode


def forked(settings: Settings, calls: list[tuple[str, ...]]) -> list[int]:
    """The codes of calls whose modules of plain Python are loaded once."""
    told = subprocess.run(
        [sys.executable, "-m", "tests.calls"],
        input=json.dumps([placed(settings, words) for words in calls]),
        env=environment(settings),
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(told.stdout)


OPENS = ("view", "tables", "sql", "trace", "quarantine", "land", "run", "govern")
"""The verbs that open the lake; the known danger is an interpreter that aborts after its answer."""
OTHERS = [call for call in CALLS if call[0][0] not in OPENS or call[1] == 2]


@pytest.mark.long
@pytest.mark.parametrize(("words", "expected"), OTHERS, ids=lambda value: str(value)[:60])
def test_a_verb_ends_with_its_documented_code(
    settings: Settings, words: tuple[str, ...], expected: int
) -> None:
    assert code(settings, words) == expected


@pytest.mark.long
@pytest.mark.parametrize("verb", OPENS)
def test_twenty_calls_of_a_verb_end_with_their_documented_codes(
    settings: Settings, verb: str
) -> None:
    """Two are processes of their own; eighteen load no plain Python anew, but each all of its
    engines, and what may abort is their end, which is that of any process."""
    calls = [call for call in CALLS if call[0][0] == verb and call[1] != 2]
    assert len(calls) <= 20
    twenty = list(islice(cycle(calls), 20))
    words = [words for words, _ in twenty]
    codes = [code(settings, one) for one in words[:2]] + forked(settings, words[2:])
    assert codes == [expected for _, expected in twenty]


def test_a_lake_that_nobody_named_is_asked_for(tmp_path: Path) -> None:
    lost = {"LAKEHOUSE_HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    command = [sys.executable, "-m", "lakehouse", "tables"]
    done = subprocess.run(command, env=lost, capture_output=True, text=True, check=False)
    assert done.returncode == 10
    assert "hint: start the stack with `lakehouse up`" in done.stderr


NEW = """
from lakehouse.cli.verb import JSON, answer, verb, word

@verb("greet", "Say good day.", word("name"), JSON)
def greet(settings, told):
    answer(told, {"name": told.name}, [f"good day, {told.name}"])
"""


def test_a_verb_is_added_by_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "greeting.py").write_text(NEW)
    monkeypatch.setattr(verbs, "__path__", [*verbs.__path__, str(tmp_path)])
    assert main(["greet", "world"]) == 0
    assert main(["greet", "world", "--json"]) == 0
    assert capsys.readouterr().out == 'good day, world\n{"name": "world"}\n'


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("quarantine", False),
        ("quarantine --json", True),
        ("quarantine --json list", True),
        ("quarantine list --json", True),
        ("tables", False),
        ("tables --json", True),
        ("land north_ehr a.ndjson", False),
    ],
)
def test_json_is_asked_for_before_an_action_or_behind_it(words: str, expected: bool) -> None:
    assert parser().parse_args(words.split()).json is expected


HEAVY = {"pyarrow", "duckdb", "deltalake", "structlog", "airflow", "sqlglot", "pydicom", "yaml"}


def test_help_loads_no_library() -> None:
    asked = "import sys; from lakehouse.cli import parser; parser(); print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, check=True
    )
    assert HEAVY & set(loaded.stdout.split()) == set()
