"""One lake for the pages' tests; nobody changes it."""

import pytest

from lakehouse.settings import Settings
from tests.pages.house import House, fill


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return fill(tmp_path_factory.mktemp("pages"))


@pytest.fixture
def house(filled: Settings) -> House:
    return House(filled)
