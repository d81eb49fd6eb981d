"""A patient's name, put where it breaks things, is found in tables' data and landed objects only."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from lakehouse.settings import Settings
from tests.workbench import CLASS, settings_at

CANARY = "Zzyzx"
"""No word of any language: whoever finds it has found a patient."""

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
]
QUERIES = [
    f"select '{CANARY}'::date",
    f"select * from silver.{CANARY}",
    f"select {CANARY} from silver.patient",
    f"select * from silver.patient where family_name = '{CANARY}",
    f"copy silver.patient to '{CANARY}'",
    "select family_name::date from silver.patient",
]


def call(settings: Settings, *words: str) -> str:
    """What a call of the command line wrote on both its streams."""
    given = {**os.environ, **settings.environment}
    command = [sys.executable, "-m", "lakehouse", *words]
    done = subprocess.run(command, env=given, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 10, 12, 13), done.stderr
    return done.stdout + done.stderr


def whereabouts(root: Path) -> Iterator[Path]:
    """All files that hold the canary, decoded; also those whose name does."""
    for path in root.rglob("*"):
        if CANARY in path.name:
            yield path
        elif path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            if path.name.endswith(".checkpoint.parquet"):
                content = json.dumps(pq.read_table(path).to_pylist(), default=str).encode()
            if CANARY.encode() in content:
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
        os.symlink("/etc/passwd", settings.inbox / "north_ehr" / f"{turn}-link")
        texts.append(call(settings, "run"))
    texts.append(call(settings, "govern"))
    texts += [call(settings, *words) for words in (["tables"], ["quarantine"])]
    texts += [call(settings, "sql", query) for query in QUERIES]
    return root, "\n".join(texts)


def test_the_canaries_did_reach_the_tables(said: tuple[Path, str]) -> None:
    root, told = said
    settings = settings_at(root)
    found = call(settings, "sql", "select count(*) as n from silver.patient", "--format", "json")
    assert json.loads(found) == [{"n": 2}]
    assert "not JSON" in told
    assert "quarantine.north_ehr" in told


def test_no_command_says_a_patients_name(said: tuple[Path, str]) -> None:
    assert CANARY not in said[1]


def test_nothing_but_tables_data_and_landed_objects_holds_a_patients_name(
    said: tuple[Path, str],
) -> None:
    root = said[0]
    landed = root / "lake" / "landing" / "objects"
    strays = [
        path.relative_to(root)
        for path in whereabouts(root)
        if landed not in path.parents
        and not (path.suffix == ".parquet" and "_delta_log" not in path.parts)
    ]
    assert strays == []
    assert any(landed in path.parents for path in whereabouts(root)), (
        "the search finds what is there"
    )
