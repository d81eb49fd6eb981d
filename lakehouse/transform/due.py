"""Which tables have rows to compute; what was sent is seldom of more than a few of their kinds."""

from lakehouse.errors import LakehouseError
from lakehouse.lineage.emit import part
from lakehouse.storage.lake import Lake
from lakehouse.transform.build import settle


def settle_all(lake: Lake, job: str) -> list[str]:
    """Bring up to date, without a row to compute, all tables for which nothing came; the names of
    the others, which are to be built, in the order of building.

    A table that reads one of these is among them. So is one that cannot be looked at: its build
    says why. Each that is brought up to date is told of as a run of `<job>.<table>`.
    """
    due: list[str] = []
    for table in lake.catalog.models():
        waits = any(read.name in due for read in lake.catalog.stored_reads(table))
        if waits or not _settled(lake, job, table.name):
            due.append(table.name)
    return due


def _settled(lake: Lake, job: str, name: str) -> bool:
    try:
        with part(f"{job}.{name}", lake.settings):
            return settle(lake, name) is not None
    except LakehouseError:
        return False
