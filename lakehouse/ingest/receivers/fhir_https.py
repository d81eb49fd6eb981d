"""fhir+https://: the bulk export of a FHIR server (HL7 FHIR Bulk Data Access IG 2.0.0)."""

from lakehouse.ingest.bulk.pull import receive

__all__ = ["receive"]
