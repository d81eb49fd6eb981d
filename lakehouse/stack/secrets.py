"""Secrets are made once, kept in files of their owner only, and never put into an argument list."""

import secrets
from base64 import urlsafe_b64encode
from pathlib import Path

from lakehouse.stack.places import Places, read_json, write_json

_ADMIN = "admin"


def key_pair() -> dict[str, str]:
    """Make an access key and a secret key in the lengths that every S3 server takes."""
    return {"access_key": secrets.token_hex(10).upper(), "secret_key": secrets.token_urlsafe(30)}


def store_secrets(places: Places) -> dict[str, str]:
    """Return the embedded store's own keys: administrator, tokens, encryption at rest."""
    admin = key_pair()
    return _kept(
        places.secrets / "store_server.json",
        {
            "admin_access_key": admin["access_key"],
            "admin_secret_key": admin["secret_key"],
            "encryption_key": secrets.token_hex(32),
            **{f"token_key_{number}": secrets.token_hex(32) for number in range(1, 5)},
        },
    )


def postgres_password(places: Places) -> str:
    """Return the password of the metadata database."""
    path = places.secrets / "postgres.json"
    return _kept(path, {"password": secrets.token_urlsafe(30)})["password"]


def airflow_secrets(places: Places) -> dict[str, str]:
    """Return what Airflow's components share: the keys of its tokens, secrets and sessions."""
    return _kept(
        places.secrets / "airflow.json",
        {
            "jwt_secret": secrets.token_hex(64),
            "fernet_key": urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "secret_key": secrets.token_hex(32),
        },
    )


def airflow_password(places: Places) -> tuple[str, str]:
    """Return the Airflow user and password, in the file where Airflow's auth manager reads them."""
    kept = _kept(places.airflow_passwords, {_ADMIN: secrets.token_urlsafe(18)})
    return _ADMIN, kept[_ADMIN]


def _kept(path: Path, fresh: dict[str, str]) -> dict[str, str]:
    known = read_json(path)
    if fresh.keys() <= known.keys():
        return known
    write_json(path, {**fresh, **known})
    return {**fresh, **known}
