"""What tests of the models share."""

from collections.abc import Iterator

import pytest

from tests.sql.drawn import Tables


@pytest.fixture
def tables() -> Iterator[Tables]:
    """The declared tables, empty, in a DuckDB of their own."""
    made = Tables()
    yield made
    made.db.close()
