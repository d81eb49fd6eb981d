"""Images of ellipses with a grain: whole numbers only, row by row.

Shapes are in thousandths of the image's width and height, so that small and full images show the
same.
"""

from collections.abc import Iterator
from functools import cache
from math import isqrt
from typing import NamedTuple

from lakehouse.datasets.synthetic.dice import scatter
from lakehouse.datasets.synthetic.formats.dicom.glyphs import HEIGHT, WIDTH, rows_of

_GRAIN = 4096


class Ellipse(NamedTuple):
    """Middle and half axes in thousandths, and the level of what is inside."""

    x: int
    y: int
    width: int
    height: int
    level: int


class Box(NamedTuple):
    """Pixels of an image, from its upper left corner, counted from 0."""

    x: int
    y: int
    width: int
    height: int


class Picture:
    """Pixels of one sample, of 1 or 2 bytes, little endian. `key` moves the grain."""

    def __init__(self, rows: int, columns: int, size: int, key: int, grain: int) -> None:
        self.rows, self.columns, self._size = rows, columns, size
        self._key, self._grain = key, grain
        self._pixels = bytearray(rows * columns * size)

    def draw(self, shape: Ellipse) -> None:
        """Fill an ellipse."""
        texture = _texture(shape.level, self._grain, self._size)
        size = self._size
        for row, start, end in runs(shape, self.rows, self.columns):
            offset = scatter(self._key, row) % _GRAIN * size
            place = (row * self.columns + start) * size
            length = (end - start) * size
            self._pixels[place : place + length] = texture[offset : offset + length]

    def write(self, text: str, x: int, y: int, scale: int, ink: int) -> Box:
        """Burn in as many letters of a text as fit, on black; the box that they fill."""
        fitting = text[: (self.columns - x) // (WIDTH * scale)]
        white = ink.to_bytes(self._size, "little")
        black = bytes(self._size)
        for line, dots in enumerate(rows_of(fitting, scale)):
            place = ((y + line) * self.columns + x) * self._size
            told = b"".join(white if dot else black for dot in dots)
            self._pixels[place : place + len(told)] = told
        return Box(x, y, len(fitting) * WIDTH * scale, (HEIGHT - 1) * scale)

    def pixels(self) -> bytes:
        """All pixels, row by row."""
        return bytes(self._pixels)


def runs(shape: Ellipse, rows: int, columns: int) -> Iterator[tuple[int, int, int]]:
    """The pixels in an ellipse: row, first column, and the column behind the last."""
    middle, half = shape.x * columns // 1000, shape.width * columns // 1000
    across, reach = shape.y * rows // 1000, max(1, shape.height * rows // 1000)
    whole = 2 * reach + 1
    for row in range(max(0, across - reach), min(rows, across + reach + 1)):
        left = whole * whole - 4 * (row - across) ** 2
        wide = (2 * isqrt(half * half * left) + whole) // (2 * whole)
        start, end = max(0, middle - wide), min(columns, middle + wide + 1)
        if start < end:
            yield row, start, end


def mask(shape: Ellipse, rows: int, columns: int) -> bytes:
    """An ellipse as one bit a pixel, the lowest bit first (PS3.5 8.2)."""
    bits = 0
    for row, start, end in runs(shape, rows, columns):
        bits |= ((1 << end - start) - 1) << row * columns + start
    return bits.to_bytes(rows * columns // 8, "little")


@cache
def _texture(level: int, grain: int, size: int) -> bytes:
    """Two rounds of pixels about a level, so that a row can begin anywhere in the first."""
    told = b"".join(
        max(0, level + scatter(level, place) % (2 * grain + 1) - grain).to_bytes(size, "little")
        for place in range(_GRAIN)
    )
    return told * 2
