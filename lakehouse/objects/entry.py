"""What a place says of an object without opening it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """An object by its key; `mark` changes when it is written anew, `changed_at` tells when that
    was, in seconds since the epoch by the place's own clock."""

    key: str
    size: int
    mark: str
    changed_at: float
