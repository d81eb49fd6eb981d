"""Where the stack keeps its state: all of it lies under LAKEHOUSE_HOME, for its owner only."""

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lakehouse.errors import StoreError

_PRIVATE = 0o700
_SOCKET_NAME_BYTES = 30  # the longest name we put in the folder, with its slash
_SOCKET_PATH_BYTES = 103  # the kernel allows 107 on Linux and 103 on macOS


@dataclass(frozen=True, slots=True)
class Places:
    """The folders and files of one embedded stack."""

    home: Path

    @property
    def secrets(self) -> Path:
        """Keys and passwords, each file 0600."""
        return self.home / "secrets"

    @property
    def store_record(self) -> Path:
        """Which store was chosen at the first `up`, where it answers, and the keys of each role."""
        return self.secrets / "store.json"

    @property
    def next_store_record(self) -> Path:
        """The same of the store that the lake is being moved to."""
        return self.secrets / "store.next.json"

    @property
    def move_journal(self) -> Path:
        """Which objects a move that is not finished has copied."""
        return self.home / "move.jsonl"

    @property
    def airflow_passwords(self) -> Path:
        """The password of each Airflow user."""
        return self.secrets / "airflow_passwords.json"

    @property
    def run(self) -> Path:
        """What is true only while the stack runs: locks, process records, ports, state."""
        return self.home / "run"

    @property
    def state(self) -> Path:
        """What the supervisor last reported."""
        return self.run / "state.json"

    @property
    def outer_ports(self) -> Path:
        """The ports that people use, while the stack runs."""
        return self.run / "outer_ports.json"

    @property
    def inner_ports(self) -> Path:
        """The ports by which the store's parts speak to each other."""
        return self.run / "inner_ports.json"

    @property
    def logs(self) -> Path:
        """One log file a component."""
        return self.home / "logs"

    @property
    def data(self) -> Path:
        """The store's and the metadata database's files."""
        return self.home / "data"

    @property
    def airflow(self) -> Path:
        """AIRFLOW_HOME."""
        return self.home / "airflow"

    def process(self, component: str) -> Path:
        """The record of the process that is `component`."""
        return self.run / f"{component}.pid"

    def prepare(self) -> None:
        """Make the folders, readable by their owner only; raises StoreError when that fails."""
        try:
            for folder in (
                self.home, self.secrets, self.run, self.logs, self.data, self.airflow,
            ):  # fmt: skip
                folder.mkdir(parents=True, exist_ok=True, mode=_PRIVATE)
                folder.chmod(_PRIVATE)
        except OSError as error:
            raise StoreError(
                f"the folder {self.home} cannot be used: {error.strerror}",
                hint="set LAKEHOUSE_HOME to a folder that is yours",
            ) from None

    def sockets(self) -> Path:
        """A private folder short enough for unix sockets, the same one as long as it is there."""
        inside = self.run / "s"
        if len(os.fsencode(inside)) + _SOCKET_NAME_BYTES <= _SOCKET_PATH_BYTES:
            inside.mkdir(mode=_PRIVATE, exist_ok=True)
            return inside
        known = self._sockets_elsewhere()
        if known:
            return known
        made = Path(tempfile.mkdtemp(prefix="lakehouse-", dir=_short_root()))
        write_private(self.run / "sockets", str(made))
        return made

    def remove_sockets(self) -> None:
        """Leave no folder behind outside of the home, when nobody listens any more."""
        elsewhere = self._sockets_elsewhere()
        if elsewhere:
            shutil.rmtree(elsewhere, ignore_errors=True)
        (self.run / "sockets").unlink(missing_ok=True)

    def _sockets_elsewhere(self) -> Path | None:
        record = self.run / "sockets"
        known = Path(record.read_text()) if record.is_file() else None
        return known if known and _is_private(known) else None


def _short_root() -> str:
    """A short folder on this machine; mkdtemp makes a private one in it, under a random name."""
    return "/tmp" if Path("/tmp").is_dir() else tempfile.gettempdir()  # noqa: S108 (see above)


def _is_private(folder: Path) -> bool:
    try:
        found = folder.lstat()
    except OSError:
        return False
    is_folder = folder.is_dir() and not folder.is_symlink()
    return is_folder and found.st_uid == os.geteuid() and found.st_mode & 0o077 == 0


def write_private(path: Path, text: str) -> None:
    """Replace the file whole, readable by its owner only."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    part.replace(path)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Replace the file whole with `value`, readable by its owner only."""
    write_private(path, json.dumps(dict(value), indent=1) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Return what `write_json` wrote; empty when it is not there. Raises StoreError when torn."""
    try:
        return dict(json.loads(path.read_text()))
    except FileNotFoundError:
        return {}
    except (ValueError, OSError):
        raise StoreError(f"{path} cannot be read", hint="restore it, or remove it") from None
