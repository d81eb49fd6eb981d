"""What tests of the models share."""

from collections.abc import Iterator

import pytest

from tests.sql.drawn import Tables


@pytest.fixture(scope="session")
def one_set_of_tables() -> Iterator[Tables]:
    """Made once: code lists and macros take most of the time of a small test."""
    made = Tables()
    yield made
    made.db.close()


@pytest.fixture
def tables(one_set_of_tables: Tables) -> Tables:
    """The declared tables, empty."""
    one_set_of_tables.reset()
    return one_set_of_tables
