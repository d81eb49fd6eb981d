"""A lake in a folder, and deliveries small enough to read."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from lakehouse.settings import Settings, read_settings
from lakehouse.transform.river import land_paths, run

CANARY = "Zanzibar-Canary"


class Hospital:
    """Sends patients, and in each delivery what no event may hold: a name, and a broken line."""

    canary = CANARY

    def patient(self, number: int, version: int = 1) -> dict[str, Any]:
        return {
            "resourceType": "Patient",
            "id": f"p{number}",
            "meta": {"versionId": str(version), "lastUpdated": f"2026-01-0{version}T00:00:00Z"},
            "name": [{"family": CANARY}],
            "birthDate": "1970-01-01",
        }

    def send(self, settings: Settings, *resources: dict[str, Any], to: str) -> None:
        """Take one delivery to bronze and build the table `to`, in this process."""
        path = settings.home.parent / f"{CANARY}.ndjson"
        path.write_text("\n".join([*map(json.dumps, resources), f"{{not json {CANARY}"]))
        land_paths(settings, "north_ehr", [path])
        run(settings, lambda _: None, feeds=["north_ehr"], tables=[to])


def settings_in(folder: Path) -> Settings:
    return read_settings(
        {
            "LAKEHOUSE_HOME": str(folder / "home"),
            "LAKEHOUSE_URL": str(folder / "lake"),
            "LAKEHOUSE_MEMORY": "1GiB",
        }
    )


@pytest.fixture(scope="session")
def hospital() -> Hospital:
    return Hospital()


@pytest.fixture(scope="session")
def one_patient(tmp_path_factory: pytest.TempPathFactory, hospital: Hospital) -> Path:
    """A folder with a lake that took one delivery of one patient to silver.patient."""
    folder = tmp_path_factory.mktemp("one_patient")
    hospital.send(settings_in(folder), hospital.patient(1), to="silver.patient")
    return folder


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A lake with nothing in it."""
    return settings_in(tmp_path)


@pytest.fixture
def river(one_patient: Path, tmp_path: Path) -> Settings:
    """A lake with one patient, of its own; its lineage waits in the outbox."""
    shutil.copytree(one_patient, tmp_path, dirs_exist_ok=True)
    return settings_in(tmp_path)
