"""Objects in a folder of this machine."""

import errno
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, BinaryIO

from lakehouse.errors import StoreError
from lakehouse.objects.entry import Entry

_COPY_BYTES = 2**20
_UNFINISHED = re.compile(r"#\d+$")
_NAMELESS_REFUSED = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL)


class FolderObjects:
    """Objects in a folder of this machine."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, key: str, stream: BinaryIO, size: int) -> None:
        target = self._root / key
        with _storing():
            target.parent.mkdir(parents=True, exist_ok=True)
            _write(target, stream)
            _sync_folder(target.parent)

    def open(self, key: str) -> BinaryIO:
        with _storing():
            return (self._root / key).open("rb")

    def size(self, key: str) -> int | None:
        with _storing():
            try:
                return (self._root / key).stat().st_size
            except FileNotFoundError:
                return None

    def delete(self, key: str) -> None:
        with _storing():
            (self._root / key).unlink(missing_ok=True)

    def list(self, folder: str) -> Iterator[Entry]:
        with _storing():
            found = sorted((self._root / folder).rglob("*"))
        for path in found:
            with _storing(), suppress(FileNotFoundError):
                told = path.stat()
                # an upload of the table library's that was killed; nobody reads such a name
                if path.is_file() and not _UNFINISHED.search(path.name):
                    key = path.relative_to(self._root).as_posix()
                    yield Entry(key, told.st_size, str(told.st_mtime_ns), told.st_mtime)


@contextmanager
def _storing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"the folder store failed: {error.strerror}") from None


def _write(target: Path, stream: BinaryIO) -> None:
    """Write a file whole or not at all; a kill leaves nothing where files may have no name."""
    try:
        descriptor = os.open(target.parent, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno not in _NAMELESS_REFUSED:
            raise
        _write_beside(target, stream)
        return
    with os.fdopen(descriptor, "wb") as part:
        _copy(stream, part)
        _name(descriptor, target)


def _name(descriptor: int, target: Path) -> None:
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(FileExistsError):  # it has these very bytes
            # only with a folder given Python follows the link to the file without a name
            os.link(f"/proc/self/fd/{descriptor}", target.name, dst_dir_fd=folder)
    finally:
        os.close(folder)


def _write_beside(target: Path, stream: BinaryIO) -> None:
    with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as part:
        try:
            _copy(stream, part)
            Path(part.name).replace(target)
        except BaseException:
            Path(part.name).unlink(missing_ok=True)
            raise


def _copy(stream: BinaryIO, part: IO[bytes]) -> None:
    while chunk := stream.read(_COPY_BYTES):
        part.write(chunk)
    part.flush()
    os.fsync(part.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
