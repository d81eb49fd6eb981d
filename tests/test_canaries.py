"""A patient's name, put where it breaks things, is found in tables' data and landed objects only."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from unittest import mock

import pyarrow.parquet as pq
import pytest

from lakehouse.cli import main
from lakehouse.settings import Settings
from tests.workbench import CLASS, settings_at

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("canaries")]

CANARY = "Zzyzx"
"""No word of any language: whoever finds it has found a patient."""
BIRTH, NUMBER = "1901-02-03", "86753091"
"""A date and a number that say as much, where a name cannot stand."""
TOLD = [word.encode() for word in (CANARY, BIRTH, NUMBER)]

BROKEN_LINES = [
    f'{{"resourceType": "Patient", "id": "p1", "birthDate": "{CANARY}", '
    f'"name": [{{"family": "{CANARY}"}}]}}',
    f'{{"resourceType": "Patient", "id": "p2", "name": [{{"family": "{CANARY}"',
    f'{{"resourceType": "Encounter", "id": "e1", "status": "{CANARY}", '
    f'"class": {{"system": "{CLASS}", "code": "{CANARY}"}}, '
    f'"subject": {{"reference": "Patient/{CANARY}"}}, '
    f'"period": {{"start": "{CANARY}", "end": "2026-01-01T10:00:00Z"}}}}',
    f'{{"resourceType": "Observation", "id": "{CANARY}", "status": "final", '
    f'"valueQuantity": {{"value": "{CANARY}"}}}}',
    f'{{"resourceType": "{CANARY} {CANARY}", "id": "x"}}',
    f'{{"resourceType": "Patient", "id": "{CANARY}/{CANARY}"}}',
    f'{{"resourceType": "Patient", "id": "p3", "meta": {{"lastUpdated": "{CANARY}"}}}}',
    '{"resourceType": "Bundle", "type": "transaction", "entry": '
    f'[{{"request": {{"method": "DELETE", "url": "{CANARY}?name={CANARY}"}}}}]}}',
    CANARY,
    f'{{"resourceType": "{CANARY}", "id": "a"}}',
    f'{{"resourceType": "Patient", "id": "p4", "meta": {{"versionId": "{CANARY}"}}, '
    f'"birthDate": "{BIRTH}", "gender": "{CANARY}"}}',
    '{"resourceType": "Observation", "id": "o1", "status": "final", "subject": '
    '{"reference": "Patient/p4"}, "code": {"coding": [{"system": "http://loinc.org", "code": '
    f'"8867-4"}}]}}, "effectiveDateTime": "{BIRTH}", "valueQuantity": {{"value": {NUMBER}, '
    '"system": "http://unitsofmeasure.org", "code": "/min"}}',
]
MANIFEST = f'{{"transactionTime": "{CANARY}", "output": [{{"url": "https://{CANARY}/{CANARY}"}}]}}'
ANSWERS = [
    ["tables"],
    ["quarantine"],
    ["quarantine", "list", "--table", "quarantine.north_ehr", "--json"],
    ["quarantine", "replay", "north_ehr", "--all", "--why", "test data"],
    ["feeds", "--json"],
    ["catalogue", CANARY],
    ["runs", "--json"],
    ["table", "silver.encounter", "--json"],
    ["state", "rebuild"],
]
QUERIES = [
    f"select '{CANARY}'::date",
    f"select * from silver.{CANARY}",
    f"select {CANARY} from silver.patient",
    f"select * from silver.patient where family_name = '{CANARY}",
    f"copy silver.patient to '{CANARY}'",
    "select family_name::date from silver.patient",
    f"select case when range = 3000000 then error('{CANARY}') end from range(4000000)",
    "select case when range = 3000000 then error((select min(gender) from silver.patient)) end "
    "from range(4000000)",
]


def call(settings: Settings, *words: str) -> str:
    """What a process of the command line wrote on both its streams."""
    given = {**os.environ, **settings.environment}
    command = [sys.executable, "-m", "lakehouse", *words]
    done = subprocess.run(command, env=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def ask(settings: Settings, *words: str) -> str:
    """What the command line writes on both its streams, here in this process."""
    told = StringIO()
    given = mock.patch.dict(os.environ, settings.environment)
    with given, redirect_stdout(told), redirect_stderr(told):
        assert main(words) in (0, 10, 12, 13)
    return told.getvalue()


def whereabouts(root: Path) -> Iterator[Path]:
    """All files that hold the canary, decoded; also those whose name does."""
    for path in root.rglob("*"):
        if CANARY in path.name:
            yield path
        elif path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            if path.suffix == ".parquet" and {"_delta_log", "lineage"} & set(path.parts):
                content = json.dumps(pq.read_table(path).to_pylist(), default=str).encode()
            if any(word in content for word in TOLD):
                yield path


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A lake that swallowed the canaries twice, and all that its commands said."""
    root = tmp_path_factory.mktemp("canaries")
    settings = settings_at(root)
    texts = []
    for turn in ("first", "second"):
        delivery = settings.inbox / "north_ehr" / f"{CANARY} {turn}"
        delivery.mkdir(parents=True)
        lines = [line.replace('"p1"', f'"p1-{turn}"') for line in BROKEN_LINES]
        (delivery / f"{CANARY}.ndjson").write_text("\n".join(lines))
        (delivery / "manifest.json").write_text(MANIFEST)
        os.symlink(f"/tmp/{CANARY}", settings.inbox / "north_ehr" / f"{turn}-{CANARY}")
        os.mkfifo(settings.inbox / "north_ehr" / f"{turn}-{CANARY}-pipe")
        texts.append(call(settings, "run"))
        _refuse_strays(root, "while events wait in the outbox")
    texts.append(ask(settings, "land", "north_ehr", f"/tmp/{CANARY}/{CANARY}.ndjson"))
    texts.append(ask(settings, "trace", "silver.patient", f"north/{CANARY}"))
    texts.append(call(settings, "govern"))
    texts += [ask(settings, *words) for words in ANSWERS]
    texts += [ask(settings, "sql", query) for query in QUERIES]
    return root, "\n".join(texts)


def test_the_canaries_did_reach_the_tables(said: tuple[Path, str]) -> None:
    root, told = said
    settings = settings_at(root)
    found = ask(settings, "sql", "select count(*) as n from silver.patient", "--format", "json")
    assert json.loads(found) == [{"n": 3}]
    assert "not JSON" in told
    assert "quarantine.north_ehr" in told


def test_no_command_says_a_patients_name(said: tuple[Path, str]) -> None:
    assert [word for word in TOLD if word in said[1].encode()] == []
    assert "Traceback" not in said[1]


def test_nothing_but_tables_data_and_landed_objects_holds_a_patients_name(
    said: tuple[Path, str],
) -> None:
    root = said[0]
    _refuse_strays(root, "in the end")
    assert any(_landed(root) in path.parents for path in whereabouts(root)), (
        "the search finds what is there"
    )


def _landed(root: Path) -> Path:
    return root / "lake" / "landing" / "objects"


def _is_allowed(root: Path, path: Path) -> bool:
    """True for landed objects and for the data files of tables, those of lineage excepted."""
    is_data = path.suffix == ".parquet" and not {"_delta_log", "lineage"} & set(path.parts)
    return _landed(root) in path.parents or (is_data and CANARY not in path.name)


def _refuse_strays(root: Path, when: str) -> None:
    found = [path.relative_to(root) for path in whereabouts(root) if not _is_allowed(root, path)]
    assert found == [], when
