"""Another FHIR library than any of ours reads the synthetic hospital's records: fhir.resources, as R4B."""

from pathlib import Path

import orjson
import pytest
from fhir.resources.R4B import get_fhir_model_class

from tests.datasets.hospital import write
from tests.datasets.test_valid import chosen


@pytest.mark.long
def test_every_shape_of_every_type_can_be_read(tmp_path: Path) -> None:
    lines = chosen(write(tmp_path / "out", "fhir", defects=0))
    refused = []
    for line in lines:
        resource = orjson.loads(line)
        kind = resource["resourceType"]
        try:
            read = get_fhir_model_class(kind).model_validate(resource)
        except ValueError as error:
            refused.append((kind, resource.get("id"), str(error)[:300]))
            continue
        assert read.model_dump(exclude_none=True).keys() >= resource.keys() - {"resourceType"}
    assert refused == []
