"""Files that come one after the other, as an interface or an export writes them."""

from pathlib import Path
from typing import BinaryIO

_BUFFER = 1 << 17


class Parts:
    """One stream of bytes in parts, `adt.000.hl7`, `adt.001.hl7`, …, each of about `limit` bytes.

    `path` is where the next bytes go, below the folder of the whole hospital.
    """

    def __init__(self, folder: Path, name: str, suffix: str, limit: int) -> None:
        self._folder, self._name, self._suffix, self._limit = folder, name, suffix, limit
        self._file: BinaryIO | None = None
        self.number = 0
        """The number of the part, from 0."""
        self.size = 0
        """How many bytes the part has; 0 says that it has yet to begin."""
        self.path = self._path()

    def write(self, data: bytes) -> None:
        """Append to the part."""
        if self._file is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            file = self._folder / self.path.rpartition("/")[2]
            self._file = file.open("wb", buffering=_BUFFER)
        self._file.write(data)
        self.size += len(data)

    @property
    def is_full(self) -> bool:
        """Whether it is time for the next part."""
        return self.size >= self._limit

    def turn(self) -> None:
        """Close the part, if it has begun; what is written next begins another."""
        if self._file is not None:
            self._file.close()
            self._file = None
            self.number += 1
            self.size = 0
            self.path = self._path()

    def _path(self) -> str:
        format_, site = self._folder.parts[-2:]
        return f"{format_}/{site}/{self._name}.{self.number:03}.{self._suffix}"
