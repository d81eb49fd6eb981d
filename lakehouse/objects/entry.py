"""What a place says of an object without opening it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """An object by its key; `mark` changes when it is written anew."""

    key: str
    size: int
    mark: str
