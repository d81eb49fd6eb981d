"""Whole numbers from a counter hash: the same path gives the same number on every machine."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Self, TypeVar

_Option = TypeVar("_Option")


@dataclass(frozen=True, slots=True)
class Dice:
    """Numbers below one path; a name asked twice gives the same number, in whatever order."""

    path: str

    def at(self, name: object) -> Self:
        """The dice of something that belongs to this."""
        return type(self)(f"{self.path}/{name}")

    def between(self, low: int, high: int, name: object) -> int:
        """A number from low to high, both included."""
        digest = blake2b(f"{self.path}/{name}".encode(), digest_size=8).digest()
        return low + int.from_bytes(digest, "big") % (high - low + 1)

    def chance(self, percent: int, name: object) -> bool:
        """True in so many of a hundred cases."""
        return self.between(1, 100, name) <= percent

    def pick(self, options: Sequence[_Option], name: object) -> _Option:
        """One of the options, each as likely."""
        return options[self.between(0, len(options) - 1, name)]

    def about(self, middle: int, spread: int, name: object) -> int:
        """A number near `middle`, at most three times `spread` away, the middle most likely."""
        draws = (self.between(-spread, spread, f"{name}.{turn}") for turn in range(3))
        return middle + sum(draws)
