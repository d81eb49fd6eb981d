"""Airflow's command as the stack starts it."""

import subprocess
import sys
from importlib.metadata import version

import pytest

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("airflow")]


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [(["version"], 0, version("apache-airflow-core")), (["no-such-command"], 2, "invalid choice")],
)
def test_it_does_what_airflows_own_does_and_ends_as_that(words, code, told):
    command = [sys.executable, "-m", "lakehouse.airflow", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, told in done.stdout + done.stderr) == (code, True)
