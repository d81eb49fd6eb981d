"""A pull from a real HAPI FHIR server: what it was given is in silver, and so is what changed there."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import urllib3

from lakehouse.ingest.bulk.pull import pull
from lakehouse.ingest.bulk.wire import Patience
from lakehouse.ingest.receive import Received
from lakehouse.storage.lake import Lake
from tests.ingest.ehr import Ehr
from tests.ingest.site import Site
from tests.peers.java import serving
from tests.workbench import Resource, build_all, encounter, ingest, patient, pulse, rows

pytestmark = [pytest.mark.peer, pytest.mark.xdist_group("hapi")]

QUICKLY = Patience(least_seconds=0.2, most_seconds=0.5)
"""The server asks for 120 seconds between two questions."""
BUILT = ["silver.patient", "silver.encounter", "silver.observation"]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving("hapi", "FhirServer") as told:
        yield told


@pytest.fixture
def site(tmp_path: Path, port: int) -> Site:
    return Site(tmp_path, Ehr(port=port))


def put(port: int, resources: Iterable[Resource]) -> None:
    """Write resources under their own ids; what is referenced comes first."""
    entries = [
        {
            "resource": told,
            "request": {"method": "PUT", "url": f"{told['resourceType']}/{told['id']}"},
        }
        for told in resources
    ]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    answer = urllib3.request(
        "POST",
        f"http://127.0.0.1:{port}/fhir",
        body=json.dumps(bundle).encode(),
        headers={"Content-Type": "application/fhir+json"},
        timeout=120,
    )
    assert answer.status == 200, answer.data.decode()


def fetch(site: Site, *, full: bool = False) -> Received:
    lake = site.lake
    return pull(lake.settings, lake.catalog.feeds["north_ehr"], QUICKLY, full=full)


def genders(lake: Lake) -> dict[str, str]:
    build_all(lake, BUILT)
    return {row["patient_id"]: row["gender"] for row in rows(lake, "silver.patient")}


def test_what_the_server_holds_is_in_silver_and_then_what_changed(site: Site, port: int) -> None:
    put(port, [patient(f"p{number}") for number in range(30)])
    put(port, [encounter(f"e{number}", who=f"p{number}") for number in range(30)])
    put(
        port,
        [pulse(f"o{number}", who=f"p{number % 30}", value=60 + number) for number in range(60)],
    )

    assert fetch(site).files == 4
    assert ingest(site.lake).good == 120
    assert genders(site.lake) == {f"north/p{number}": "female" for number in range(30)}
    assert len(rows(site.lake, "silver.encounter")) == 30
    assert sorted(row["value_number"] for row in rows(site.lake, "silver.observation")) == list(
        range(60, 120)
    )
    assert fetch(site) == Received(), "nothing has changed since"

    put(port, [patient("p1", gender="male"), patient("p99"), pulse("o1", who="p1", value=200)])
    assert fetch(site).files == 3
    assert ingest(site.lake).good == 3
    found = genders(site.lake)
    assert (found["north/p1"], found["north/p99"], len(found)) == ("male", "female", 31)
    assert max(row["value_number"] for row in rows(site.lake, "silver.observation")) == 200
    assert fetch(site) == Received()

    assert fetch(site, full=True).files == 4
    told = ingest(site.lake)
    assert (told.good, told.unchanged) == (0, 121)


def test_a_group_and_a_type_are_all_that_comes_when_they_are_all_that_is_asked_for(
    site: Site, port: int
) -> None:
    put(port, [patient("g1"), patient("g2"), pulse("og1", who="g1"), pulse("og2", who="g2")])
    member = {"entity": {"reference": "Patient/g1"}}
    group = {"resourceType": "Group", "id": "few", "type": "person", "actual": True}
    put(port, [group | {"member": [member]}])
    site.keys = 'of = "Group/few"\ntypes = ["Observation"]'
    fetch(site)
    assert [told["id"] for told in site.records()] == ["og1"]


def test_an_interrupted_pull_takes_its_export_back(site: Site, port: int) -> None:
    put(port, [patient("p0")])

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    lake = site.lake
    feed = lake.catalog.feeds["north_ehr"]
    with pytest.raises(KeyboardInterrupt):
        pull(lake.settings, feed, Patience(interrupt))
    assert fetch(site).files > 1
