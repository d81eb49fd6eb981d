"""One small synthetic hospital on disk, made once for all tests of a module, and its digest."""

import gzip
import hashlib
import zipfile
from pathlib import Path

from lakehouse.datasets.synthetic import Population, write_hospital

PATIENTS, SEED = 42, 7


def write(
    folder: Path, *only: str, patients: int = PATIENTS, seed: int = SEED, defects: int = 2000
) -> Path:
    """The hospital in a folder, in each format or only some."""
    write_hospital(Population(patients, seed, defects=defects), folder, only)
    return folder


def contents(path: Path) -> bytes:
    """A file's bytes; packed files unpacked, since every zlib packs in its own way."""
    if path.suffix == ".gz":
        return gzip.decompress(path.read_bytes())
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as packed:
            return b"".join(name.encode() + packed.read(name) for name in sorted(packed.namelist()))
    return path.read_bytes()


def digest(folder: Path) -> str:
    """One hash of all files below a folder, with their names."""
    told = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        told.update(str(path.relative_to(folder)).encode() + b"\0" + contents(path))
    return told.hexdigest()[:16]
