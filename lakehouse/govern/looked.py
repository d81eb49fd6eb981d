"""Up to where the nights have looked through what arrived; the care of tables asks it too."""

from datetime import UTC, datetime, timedelta

from lakehouse.storage.lake import Lake, Stored

FINDINGS = "audit.finding"
RESOURCES = "bronze.fhir_resource"
LOOKED = f"looked/{RESOURCES}"
"""The mark of the version that was looked at."""


def since_look(lake: Lake, stored: Stored) -> timedelta:
    """How long a file of a table must be kept so that the version which a night looked at last can
    still be told from what came later; nothing where it need not."""
    found = lake.find(FINDINGS) if stored.table.name == RESOURCES else None
    at = found.mark(LOOKED) if found else None
    if at is None or at >= stored.version:
        return timedelta()
    # a file of that version was removed by one after it; where the log has forgotten all of these,
    # the version cannot be shown any more
    later = [commit.at for commit in stored.since(at)]
    return datetime.now(UTC) - min(later) + timedelta(hours=1) if later else timedelta()
