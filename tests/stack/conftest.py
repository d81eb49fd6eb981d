"""What tests of the stack share: settings of their own, and one running stack for the session."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lakehouse import log
from lakehouse.settings import Settings, read_settings
from lakehouse.stack import down, store, up
from lakehouse.stack.places import Places
from lakehouse.stack.ports import find
from lakehouse.stack.supervisor import Supervisor


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


@pytest.fixture
def serving() -> Callable[[Settings], AbstractContextManager[Settings]]:
    """Run the recorded store alone, without the rest of the stack; gives the settings that see it."""
    return store_alone


@contextmanager
def store_alone(settings: Settings) -> Iterator[Settings]:
    ports = {**settings.environment, "LAKEHOUSE_S3_PORT": str(find())}
    settings = read_settings(ports)
    places = Places(settings.home)
    embedded = store.component(settings, store.resolve(settings))
    assert embedded
    supervisor = Supervisor(places, [(embedded,)])
    thread = threading.Thread(target=supervisor.run)
    thread.start()
    try:
        while "running" not in places.state.read_text():
            thread.join(0.1)
            assert thread.is_alive()
        yield settings
    finally:
        supervisor.stop()
        thread.join(60)
        places.remove_sockets()
