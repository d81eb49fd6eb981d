"""What a MinIO server of one's own needs once: the bucket, and a user and policy for each role.

`python -m lakehouse.stack.provision` is what docker-compose.yml runs before Airflow. It reads the
lake's address and the keys of each role as everybody else does, the administrator's keys as those
of a role named `admin`. Running it again changes nothing.
"""

import sys
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

import urllib3
from minio.error import MinioException

from lakehouse.errors import LakehouseError, StoreError
from lakehouse.settings import ROLES, Credentials, Settings, read_settings
from lakehouse.stack import minio, store

_WAIT_SECONDS = 120


def provision(settings: Settings, patience_seconds: float = _WAIT_SECONDS) -> None:
    """Make the bucket, the users and their policies; wait for a server that is starting.

    Raises SpecError for keys that are missing, StoreError for a server that does not answer.
    """
    keys = {role: settings.credentials(role) for role in ("admin", *ROLES)}
    known = {role: pair for role, pair in keys.items() if pair}
    if not known:
        raise StoreError("the lake is a folder: it has no bucket and no users")
    end = time.monotonic() + patience_seconds
    while wrong := _try(settings, known):
        if time.monotonic() > end:
            raise StoreError(f"the object store could not be prepared: {wrong}")
        time.sleep(1)


def _try(settings: Settings, keys: Mapping[str, Credentials]) -> str:
    lake = urlsplit(settings.lake_url())
    identities = {
        role: {"access_key": keys[role].access_key, "secret_key": keys[role].secret_key}
        for role in ROLES
    }
    try:
        store.make_bucket(keys["admin"], lake.netloc)
        minio.grant(keys["admin"], lake.netloc, lake.path.strip("/"), identities)
    except (MinioException, urllib3.exceptions.HTTPError) as error:
        return type(error).__name__
    return ""


def main() -> int:
    """Provide what the environment names; return the exit code."""
    try:
        provision(read_settings())
    except LakehouseError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
