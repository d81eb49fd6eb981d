"""What tests of the core share: a lake of their own in a folder."""

from pathlib import Path

import hypothesis
import pytest

from lakehouse.storage.lake import Lake
from tests.workbench import lake_at


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--unproven", type=Path, help="append the reason of each skip to this file")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Hand on why tests were skipped, a line each: `make test` tells it at its end, of all runs."""
    target = terminalreporter.config.getoption("unproven")
    reasons = [
        report.longrepr[2].removeprefix("Skipped: ").replace("\n", " ")
        for report in terminalreporter.stats.get("skipped", [])
    ]
    if target and reasons:
        with target.open("a") as file:
            file.writelines(f"{reason}\n" for reason in reasons)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse to run where tests that share something dear would be spread over processes."""
    if session.config.getoption("loadgroup", False):
        for item in session.items:
            if item.get_closest_marker("xdist_group") and "@" not in item.nodeid:
                raise pytest.UsageError("this pytest-xdist keeps no group together")


# the same examples on every run: a red build says something about the change that made it
hypothesis.settings.register_profile("tests", derandomize=True, database=None, deadline=None)
hypothesis.settings.load_profile("tests")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """An empty lake in a folder, with the three feeds of the workbench."""
    return lake_at(tmp_path)
