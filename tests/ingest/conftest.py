"""A FHIR server on loopback, and a site that pulls from it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ingest.ehr import Ehr, serving
from tests.ingest.site import RECORDS, Site


@pytest.fixture
def ehr() -> Iterator[Ehr]:
    with serving(Ehr(RECORDS)) as serves:
        yield serves


@pytest.fixture
def site(tmp_path: Path, ehr: Ehr) -> Site:
    return Site(tmp_path, ehr)
