"""What the tests of the server share: a running engine, and the image."""

from collections.abc import Iterator

import pytest

from lakehouse.stack.ports import find
from tests.server.engine import Server, daemon
from tests.server.river import BUILD


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Our image, built as the documentation says."""
    with daemon():
        Server(tmp_path_factory.mktemp("image"), find()).shell(BUILD)
        yield
