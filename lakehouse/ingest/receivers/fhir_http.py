"""fhir+http://: as fhir+https://, for a server on this machine only (catalog/feeds.py)."""

from lakehouse.ingest.bulk.pull import receive

__all__ = ["receive"]
