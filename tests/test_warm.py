"""A process that is warm has loaded what work on a lake needs; what is forked from it can work."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workbench import drop, lake_at, patient

_PROGRAM = """
import json, os, sys
from lakehouse.settings import read_settings
from lakehouse.warm import warm

settings = read_settings()
warm(settings)
before = set(sys.modules)
if child := os.fork():
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

from lakehouse.ingest.landing import land
from lakehouse.ingest.load import load, pending
from lakehouse.storage.lake import open_lake
from lakehouse.transform.build import build

lake = open_lake(settings, "ingest")
feed = lake.catalog.feeds["north_ehr"]
land(lake, feed)
for batch in pending(lake, feed):
    load(lake, batch)
built = build(lake, "silver.patient")
print(json.dumps({"rows": built.rows, "loaded": sorted(set(sys.modules) - before)}), flush=True)
os._exit(0)
"""
_OURS = ("lakehouse", "deltalake", "duckdb", "pyarrow", "sqlglot", "openlineage", "minio", "polars")


@pytest.mark.long
def test_work_forked_from_a_warm_process_loads_no_module_of_the_lake_or_its_engines(
    tmp_path: Path,
) -> None:
    lake = lake_at(tmp_path)
    drop(lake, "north_ehr", "Patient.ndjson", [patient()])
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        env=dict(lake.settings.environment),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    told = json.loads(done.stdout)
    assert told["rows"] == 1
    assert [name for name in told["loaded"] if name.partition(".")[0] in _OURS] == []
