"""Whole numbers from a hash of a counter: the same on every machine, many from each hash.

No library's generator and no floating-point function has a say in them.
"""

import struct
from collections.abc import Sequence
from hashlib import blake2b, shake_128
from typing import TypeVar

_Option = TypeVar("_Option")

_DRAWS = 64
_WORDS = struct.Struct(f"<{_DRAWS}I")
_MASK = (1 << 64) - 1


class Dice:
    """A stream of draws below one key. What is drawn from another stream never changes it.

    Draws come in order: a module that draws for itself takes a stream of its own with `at`.
    """

    __slots__ = ("_block", "_key", "_left")

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._block = 0
        self._left: list[int] = []

    @classmethod
    def of(cls, *path: object) -> "Dice":
        """The stream of a path, such as a seed, a person's number and a subject."""
        return cls(blake2b("/".join(map(str, path)).encode(), digest_size=16).digest())

    def at(self, name: str) -> "Dice":
        """The stream of something that belongs to this."""
        return Dice(blake2b(name.encode(), digest_size=16, key=self._key).digest())

    def below(self, bound: int) -> int:
        """A number from 0 to `bound` - 1; `bound` is at most 2**32."""
        if not self._left:
            self._fill()
        return self._left.pop() * bound >> 32

    def between(self, low: int, high: int) -> int:
        """A number from low to high, both included."""
        return low + self.below(high - low + 1)

    def chance(self, percent: int) -> bool:
        """True in so many of a hundred cases."""
        return self.below(100) < percent

    def pick(self, options: Sequence[_Option]) -> _Option:
        """One of the options, each as likely."""
        return options[self.below(len(options))]

    def weighted(self, options: Sequence[tuple[int, _Option]]) -> _Option:
        """One of the options, each as likely as its weight is heavy."""
        place = self.below(sum(weight for weight, _ in options))
        for weight, option in options:
            place -= weight
            if place < 0:
                return option
        raise ValueError("no weights")

    def about(self, middle: int, deviation: int) -> int:
        """A number with this mean and standard deviation, at most three deviations away."""
        if not self._left:
            self._fill()
        word = self._left.pop()
        # three numbers of ten bits: their sum has the deviation 512
        total = (word & 1023) + (word >> 10 & 1023) + (word >> 20 & 1023)
        return middle + (total - 1535) * deviation // 512

    def number(self, bits: int = 64) -> int:
        """A number of so many bits, at most 256, that leaves the stream where it is."""
        return int.from_bytes(blake2b(self._key, digest_size=bits // 8).digest(), "big")

    def _fill(self) -> None:
        block = shake_128(self._key + self._block.to_bytes(8, "little")).digest(_WORDS.size)
        self._left.extend(_WORDS.unpack(block))
        self._block += 1


def scatter(key: int, counter: int) -> int:
    """64 bits for a counter below a key, in any order (Steele, Lea and Flood: SplitMix64)."""
    word = (key + counter * 0x9E3779B97F4A7C15) & _MASK
    word = (word ^ word >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    word = (word ^ word >> 27) * 0x94D049BB133111EB & _MASK
    return word ^ word >> 31
