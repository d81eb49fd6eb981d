"""What tests of the stack share: settings of their own, and one running stack for the session."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lakehouse import log
from lakehouse.settings import Settings, read_settings
from lakehouse.stack import down, up
from lakehouse.stack.places import Places
from lakehouse.stack.ports import find


@dataclass(slots=True)
class Running:
    """A running stack; `said` is what its commands told the user."""

    settings: Settings
    said: list[str] = field(default_factory=list)

    @property
    def places(self) -> Places:
        return Places(self.settings.home)

    def up(self) -> list[str]:
        """Run `up`; return what it said."""
        lines: list[str] = []
        up(self.settings, lines.append)
        return lines

    def down(self) -> list[str]:
        """Run `down`; return what it said."""
        lines: list[str] = []
        down(self.settings, lines.append)
        return lines


def settings_at(home: Path, **variables: str) -> Settings:
    """Settings of a stack in `home`, with free ports."""
    return read_settings(
        {
            "LAKEHOUSE_HOME": str(home),
            "LAKEHOUSE_STORE": "seaweedfs",
            "LAKEHOUSE_AIRFLOW_PORT": str(find()),
            "LAKEHOUSE_S3_PORT": str(find()),
            **variables,
        }
    )


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Keep a supervisor's own lines out of the tests' output."""
    log.configure("critical")
    yield
    log.configure("info")


@pytest.fixture
def configure(tmp_path: Path) -> Iterator[Callable[..., Settings]]:
    """Make settings of a stack of this test's own; nothing is started."""

    def make(**variables: str) -> Settings:
        settings = settings_at(tmp_path / "home", **variables)
        Places(settings.home).prepare()
        return settings

    yield make
    Places(tmp_path / "home").remove_sockets()


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The whole embedded stack, started once."""
    running = Running(settings_at(tmp_path_factory.mktemp("stack") / "home"))
    try:
        running.said = running.up()
        yield running
    finally:
        running.down()
