"""The embedded object store where a MinIO server is on this machine (`make minio` builds one)."""

import os
import shutil
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from minio import MinioAdmin
from minio.credentials.providers import StaticProvider

from lakehouse.settings import Credentials, Settings
from lakehouse.stack.component import base_environment
from lakehouse.stack.places import Places
from lakehouse.stack.ports import LOOPBACK
from lakehouse.stack.rights import EVIDENCE, REMOVES_EVIDENCE, RIGHTS
from lakehouse.stack.secrets import store_secrets

_CACHE = "clinical-lakehouse"
_INBOX = "inbox"


def find_binary() -> Path | None:
    """Return the MinIO server on the PATH, else the one that `make minio` built, else None."""
    found = shutil.which("minio")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    built = cache / _CACHE / "minio"
    if found:
        return Path(found)
    return built if os.access(built, os.X_OK) else None


def arguments(settings: Settings, binary: Path) -> tuple[str, ...]:
    """Return the command line; it holds no secret."""
    data = Places(settings.home).data / "minio"
    address = f"{LOOPBACK}:{settings.ports['s3']}"
    return (str(binary), "server", "--quiet", "--address", address, str(data))


def environment(settings: Settings) -> dict[str, str]:
    """Return the environment with the administrator's keys and the key of encryption at rest."""
    keys = store_secrets(Places(settings.home))
    plain = {k: v for k, v in base_environment(settings).items() if not k.startswith("LAKEHOUSE_")}
    return {
        **plain,
        "MINIO_ROOT_USER": keys["admin_access_key"],
        "MINIO_ROOT_PASSWORD": keys["admin_secret_key"],
        "MINIO_KMS_SECRET_KEY": f"lake:{b64encode(bytes.fromhex(keys['encryption_key'])).decode()}",
        "MINIO_BROWSER": "off",
        "MINIO_UPDATE": "off",
        "MINIO_CALLHOME_ENABLE": "off",
    }


def prepare(settings: Settings) -> None:
    """Make the data folder."""
    (Places(settings.home).data / "minio").mkdir(mode=0o700, exist_ok=True)


def grant(
    server: Credentials, bucket: str, folder: str, identities: Mapping[str, Mapping[str, str]]
) -> None:
    """Make each role's user and policy; raises minio's error when the server refuses."""
    place = urlsplit(server.endpoint)
    admin = MinioAdmin(
        endpoint=place.netloc,
        credentials=StaticProvider(server.access_key, server.secret_key),
        secure=place.scheme == "https",
    )
    for role, pair in identities.items():
        admin.policy_add(role, policy=policy(role, bucket, folder))
        admin.user_add(pair["access_key"], pair["secret_key"])
        admin.policy_set(role, user=pair["access_key"])


def policy(role: str, bucket: str, folder: str) -> dict[str, Any]:
    """Return the policy document of `role`; `folder` is the lake's place in the bucket."""
    rights = RIGHTS[role]
    root = f"{folder}/" if folder else ""

    def under(places: tuple[str, ...]) -> list[str]:
        return [f"arn:aws:s3:::{bucket}/{root}{place}/*" for place in places]

    listed = [f"{root}{place}/*" for place in rights.sees]
    statements = [
        _allow(["s3:GetObject"], under(rights.sees)),
        _allow(["s3:ListBucket"], [f"arn:aws:s3:::{bucket}"])
        | {"Condition": {"StringLike": {"s3:prefix": listed}}},
        _allow(["s3:GetBucketLocation"], [f"arn:aws:s3:::{bucket}"]),
    ]
    if rights.writes:
        multipart = ["s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
        writes = ["s3:PutObject", "s3:DeleteObject", *multipart]
        statements.append(_allow(writes, under(rights.writes)))
    if _INBOX in rights.writes:
        listens = ["s3:ListenBucketNotification"]
        statements.append(_allow(listens, [f"arn:aws:s3:::{bucket}"]))
    if role != REMOVES_EVIDENCE:
        denied = {"Effect": "Deny", "Action": ["s3:DeleteObject"], "Resource": under((EVIDENCE,))}
        statements.append(denied)
    return {"Version": "2012-10-17", "Statement": statements}


def _allow(actions: list[str], resources: list[str]) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resources}
