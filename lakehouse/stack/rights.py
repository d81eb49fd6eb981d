"""Who may do what in the lake's bucket: least privilege, as data."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rights:
    """The folders of the lake that one role may read (and list), and those it may also write."""

    reads: tuple[str, ...]
    writes: tuple[str, ...] = ()

    @property
    def sees(self) -> tuple[str, ...]:
        """All folders that may be read: who writes a table also reads it."""
        return tuple(dict.fromkeys((*self.reads, *self.writes)))

    def may_read(self, place: str) -> bool:
        """Whether what lies in `place` may be read and listed."""
        return _is_within(place, self.sees)

    def may_write(self, place: str) -> bool:
        """Whether something may be put into `place`."""
        return _is_within(place, self.writes)


def _is_within(place: str, folders: tuple[str, ...]) -> bool:
    return any(f"{place}/".startswith(f"{folder}/") for folder in folders)


def may_remove(role: str, place: str) -> bool:
    """Whether `role` may remove something from `place`: evidence stays."""
    is_evidence = _is_within(place, (EVIDENCE,))
    return RIGHTS[role].may_write(place) and (not is_evidence or role == REMOVES_EVIDENCE)


PLACES = (
    "landing/objects",
    "landing/ledger",
    "inbox",
    "bronze",
    "silver",
    "gold",
    "quarantine",
    "lineage",
    "audit",
)
_ALL = ("landing", "inbox", "bronze", "silver", "gold", "quarantine", "lineage", "audit")
RIGHTS: Mapping[str, Rights] = {
    "ingest": Rights((), ("landing", "inbox", "bronze", "quarantine", "lineage", "audit")),
    "refine": Rights(("landing/ledger", "bronze"), ("silver", "gold", "quarantine", "lineage")),
    "publish": Rights(("silver", "gold", "lineage")),
    "read": Rights(
        ("landing/ledger", "bronze", "silver", "gold", "quarantine", "lineage", "audit")
    ),
    "govern": Rights((), _ALL),
}
# What was received is evidence: nobody but `govern` (retention, erasure) may remove it.
EVIDENCE = "landing/objects"
REMOVES_EVIDENCE = "govern"
