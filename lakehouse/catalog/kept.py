"""What was worked out of declarations, kept so that the next process need not do it again.

Each entry is named by a hash of all that it was made of, the code that made it among it, so that
none is ever stale. One that is missing, torn or of other types is worked out anew; nothing else is
lost with the folder. It lies in LAKEHOUSE_HOME beside the keys: who can write there needs no entry
of ours to do harm.
"""

import hashlib
import os
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import msgspec

_MOST = 500
"""Entries; the oldest of more are removed."""

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Kept:
    """Values in a folder, by kind and name."""

    folder: Path

    def get(self, kind: str, name: str, shape: type[_Value]) -> _Value | None:
        """The value of that name; None where there is none of this shape."""
        try:
            told = self._place(kind, name).read_bytes()
            return msgspec.msgpack.decode(told, type=shape, dec_hook=_as_path)
        except (OSError, msgspec.MsgspecError, ValueError):
            return None

    def put(self, kind: str, name: str, value: Any) -> None:
        """Keep a value, whole or not at all; where nothing can be written there is none to find."""
        told = msgspec.msgpack.encode(value, enc_hook=str)
        with suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with tempfile.NamedTemporaryFile(dir=self.folder, delete=False) as part:
                part.write(told)
            Path(part.name).replace(self._place(kind, name))
            self._forget()

    def _place(self, kind: str, name: str) -> Path:
        return self.folder / f"{kind}-{name}"

    def _forget(self) -> None:
        with os.scandir(self.folder) as found:
            by_age = sorted((entry.stat().st_mtime_ns, entry.path) for entry in found)
        for _, path in by_age[:-_MOST]:
            Path(path).unlink(missing_ok=True)


def named(*parts: object) -> str:
    """The name of what is made of these parts, each told apart from the next."""
    digest = hashlib.sha256()
    for part in parts:
        told = part if isinstance(part, bytes) else str(part).encode()
        digest.update(b"%d " % len(told) + told)
    return digest.hexdigest()


@cache
def code_digest(*places: Path) -> str:
    """A hash of source files, or of all that lies in a package; it is that of this process."""
    files = (path for place in places for path in _sources(place))
    return named(*(part for path in sorted(files) for part in (path.name, path.read_bytes())))


def _sources(place: Path) -> Iterable[Path]:
    return filter(Path.is_file, place.iterdir()) if place.is_dir() else [place]


def _as_path(kind: type, told: Any) -> Any:
    if kind is Path:
        return Path(told)
    raise NotImplementedError  # so msgspec asks a hook to refuse a type that it does not know
