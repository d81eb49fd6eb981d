"""Java programs that tests compare with: `make peers` installs them, one folder here is one peer."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, Popen

import pytest

_PEERS = Path(__file__).parent
_QUICK_START = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")


def command(peer: str, program: str, *arguments: str, memory: str = "1g") -> list[str]:
    """The command line of a program of a peer; skips the test where it is not installed as it should be."""
    place = place_of(peer)
    java = shutil.which("java")
    if java is None:
        pytest.skip("Java is not here")
    if not _is_installed(peer, place):
        pytest.skip(f"the peer {peer} is not installed (`make peers` does it once)")
    path = f"{place / 'classes'}:{place / 'jars'}/*"
    return [java, f"-Xmx{memory}", *_QUICK_START, "-cp", path, program, *arguments]


def place_of(peer: str) -> Path:
    """Where a peer lies, if it does."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "clinical-lakehouse" / peer


@contextmanager
def serving(peer: str, program: str) -> Iterator[int]:
    """A server of a peer runs; its port on loopback. It ends with the pipe to it, whatever happens to us."""
    with Popen(command(peer, program), stdin=PIPE, stdout=PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        try:
            told = (line.split() for line in process.stdout)
            port = next((line[1] for line in told if line[:1] == ["READY"]), None)
            if port is None:
                pytest.fail(f"the peer {peer} does not start")
            yield int(port)
        finally:
            process.stdin.close()
            process.wait(60)


def _is_installed(peer: str, place: Path) -> bool:
    files = sorted(path for path in (_PEERS / peer).iterdir() if path.is_file())
    mark = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
    told = place / "installed"
    return told.is_file() and told.read_text().strip() == mark
