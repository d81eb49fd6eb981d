"""The secrets of a server: made once, each a file of its owner only, refused where they are weak.

docker-compose.yml hands each container the files it needs; none is in an environment variable, in
`.env` or in `docker inspect`. `python -m lakehouse.stack.server FOLDER` is the first container to
run: nothing starts on a secret that is empty, short, or open to others.
"""

import os
import secrets
import sys
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from lakehouse.errors import LakehouseError, SpecError
from lakehouse.settings import ROLES
from lakehouse.stack.certificates import self_signed

# the user of our image: who makes the secrets as root gives them to this one
IMAGE_USER = 10001
_KEY_BYTES = 32
_DIFFERENT_LETTERS = 10
_OTHERS = 0o077


def _word() -> str:
    return secrets.token_urlsafe(_KEY_BYTES)


# name -> (how it is made, the fewest letters it may have)
_MADE: Mapping[str, tuple[Callable[[], str], int]] = {
    "minio_root_password": (_word, 20),
    "minio_encryption_key": (
        lambda: f"lake:{b64encode(secrets.token_bytes(_KEY_BYTES)).decode()}",
        49,
    ),
    **{f"s3_{role}_secret_key": (_word, 20) for role in ROLES},
    "postgres_password": (_word, 20),
    "airflow_jwt_secret": (lambda: secrets.token_hex(2 * _KEY_BYTES), 64),
    "airflow_api_secret": (lambda: secrets.token_hex(_KEY_BYTES), 32),
    "airflow_fernet_key": (
        lambda: urlsafe_b64encode(secrets.token_bytes(_KEY_BYTES)).decode(),
        44,
    ),
    "airflow_admin_password": (_word, 20),
    "airflow_viewer_password": (_word, 20),
    "redis_password": (_word, 20),
    "marquez_password": (_word, 20),
}
# addresses that hold a password: name -> (which, the address around it)
_ADDRESSES: Mapping[str, tuple[str, str]] = {
    "airflow_database": ("postgres_password", "postgresql+psycopg2://airflow:{}@postgres/airflow"),
    "celery_broker": ("redis_password", "redis://:{}@redis:6379/0"),
}
_TLS = ("tls_certificate", "tls_key")
NAMES = (*_MADE, *_ADDRESSES, *_TLS)


def init_server(folder: Path, host: str = "localhost") -> list[str]:
    """Make the secrets that are not there; return their names. What is there is never changed.

    Among them is a certificate for `host` that nobody vouches for; put another in its place.
    The folder is 0700, each file 0600; made by root, they belong to the user of our image.
    Raises SpecError for a folder that cannot be written, and for a secret that is there and weak.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _give(folder, 0o700)
        made = [name for name, (make, _) in _MADE.items() if _write(folder / name, make)]
        if not any((folder / name).exists() for name in _TLS):
            pair = zip(_TLS, self_signed(host), strict=True)
            made += [name for name, text in pair if _write(folder / name, partial(str, text))]
        made += [n for n in _ADDRESSES if _write(folder / n, partial(_address, folder, n))]
    except OSError as error:
        raise SpecError(f"secrets cannot be written into {folder}: {error.strerror}") from None
    check_secrets(folder)
    return made


def check_secrets(folder: Path) -> None:
    """Raise SpecError, which names each secret that is missing, weak or open to others."""
    wrong = [f"{name} {reason}" for name in NAMES if (reason := _wrong(folder, name))]
    if wrong:
        raise SpecError(
            f"secrets in {folder} cannot be used: {', '.join(wrong)}",
            hint="remove what is wrong and run `lakehouse init-server` again; see docs/server.md",
        )


def _wrong(folder: Path, name: str) -> str:
    path = folder / name
    try:
        text = path.read_text().strip()
        is_open = path.stat().st_mode & _OTHERS
    except FileNotFoundError:
        return "is not there"
    except (OSError, ValueError):
        return "cannot be read"
    if not text:
        return "is empty"
    fewest = _MADE[name][1] if name in _MADE else 0
    if len(text) < fewest or len(set(text)) < _DIFFERENT_LETTERS:
        return "is too easy to guess"
    if name in _ADDRESSES and text != _address(folder, name):
        return f"does not hold {_ADDRESSES[name][0]}"
    return "is open to others" if is_open else ""


def _address(folder: Path, name: str) -> str:
    password, around = _ADDRESSES[name]
    return around.format((folder / password).read_text().strip())


def _write(path: Path, make: Callable[[], str]) -> bool:
    """Write a new file; leave one that is there alone, an empty one also: somebody put it there."""
    if path.exists():
        return False
    part = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(make())
        file.flush()
        os.fsync(file.fileno())
    _give(part, 0o600)
    part.rename(path)
    return True


def _give(path: Path, mode: int) -> None:
    path.chmod(mode)
    if os.geteuid() == 0:
        os.chown(path, IMAGE_USER, IMAGE_USER)


def main(words: list[str]) -> int:
    """Check the secrets in a folder; return the exit code."""
    try:
        check_secrets(Path(words[0]))
    except LakehouseError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
