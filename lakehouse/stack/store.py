"""Which object store the lake lies in: chosen at the first `up`, then recorded and kept."""

import io
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import urllib3
from minio import Minio
from minio.error import MinioException, S3Error
from minio.sseconfig import Rule, SSEConfig

from lakehouse.errors import SpecError, StoreError
from lakehouse.settings import ROLES, Credentials, Settings
from lakehouse.stack import minio, seaweed
from lakehouse.stack.component import Component
from lakehouse.stack.places import Places, read_json, write_json
from lakehouse.stack.ports import LOOPBACK
from lakehouse.stack.secrets import key_pair, store_secrets

EMBEDDED = ("seaweedfs", "minio")
_ANSWER_SECONDS = 3.0
_WRITES_ALL = "govern"  # the role that may write everywhere
_DEFAULT_URL = "s3://lake"
_CHOICES = "auto, minio, seaweedfs, or the http(s):// address of an S3 server"


@dataclass(frozen=True, slots=True)
class Choice:
    """A kind of store (`seaweedfs`, `minio`, `external`, `folder`) and the lake's place in it."""

    kind: str
    url: str
    endpoint: str | None = None

    @property
    def bucket(self) -> str:
        """The bucket of an s3:// lake."""
        return urlsplit(self.url).netloc

    @property
    def folder(self) -> str:
        """The lake's folder in its bucket; empty when it is the whole bucket."""
        return urlsplit(self.url).path.strip("/")


def resolve(settings: Settings) -> Choice:
    """Return the recorded choice, or make and record it; raises SpecError when a setting disagrees.

    The ports and the keys of an outside server may change from one `up` to the next; the kind of
    store and the lake's place may not: the tables would stay behind.
    """
    path = Places(settings.home).store_record
    record = read_json(path)
    choice = chosen(settings, record)
    if record:
        _require_same(choice, record)
    fresh = describe(settings, choice, record.get("identities", {}))
    if fresh != record:
        write_json(path, fresh)
    return choice


def describe(settings: Settings, choice: Choice, known: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is recorded of a choice, with the keys of each role: those that are known, else
    new ones of an embedded server and those that the settings give of another."""
    return {
        "store": choice.kind,
        "url": choice.url,
        "endpoint": choice.endpoint,
        "region": settings.environment.get("LAKEHOUSE_S3_REGION", "us-east-1"),
        "identities": _identities(settings, choice, known),
    }


def component(
    settings: Settings,
    choice: Choice,
    identities: Mapping[str, Any] | None = None,
    name: str = "store",
) -> Component | None:
    """Describe the embedded server, with the recorded keys of each role or these; None when the
    lake lies elsewhere."""
    if choice.kind not in EMBEDDED:
        return None
    identities = identities or read_json(Places(settings.home).store_record)["identities"]
    embedded = _minio if choice.kind == "minio" else _seaweed
    return embedded(settings, choice, identities, name)


def _seaweed(
    settings: Settings, choice: Choice, identities: Mapping[str, Any], name: str
) -> Component:
    prefix = "/".join(part for part in (choice.bucket, choice.folder) if part)
    opening = seaweed.Opening(Places(settings.home), name, prefix, identities)
    writer = Credentials(str(choice.endpoint), **identities[_WRITES_ALL])

    def settle() -> None:
        with _settling():
            administrator = make_bucket(_administrator(settings), choice.bucket)
            policy = seaweed.evidence_policy(choice.bucket, choice.folder)
            administrator.set_bucket_policy(choice.bucket, json.dumps(policy))
        opening.settle()
        if wrong := _wrong(lambda: _use(_client(writer), choice)):
            raise StoreError(f"the store does not let its roles write yet: {wrong}")

    return Component(
        name=name,
        arguments=seaweed.arguments(settings),
        environment=seaweed.environment(settings),
        check=lambda: _wrong(lambda: _try(settings, choice)) or opening.wrong(),
        prepare=opening.prepare,
        settle=settle,
    )


def check(settings: Settings) -> str:
    """Return what is wrong with the lake's store, or nothing when it answers."""
    record = read_json(Places(settings.home).store_record)
    if not record:
        return "not chosen yet"
    choice = Choice(record["store"], record["url"], record["endpoint"])
    if choice.kind == "folder":
        return "" if Path(choice.url).is_dir() else "the folder is not there"
    asking = client(settings, "read")
    place = f"{choice.folder}/lineage/" if choice.folder else "lineage/"
    return _wrong(lambda: list(islice(asking.list_objects(choice.bucket, prefix=place), 1)))


def client(settings: Settings, role: str) -> Minio:
    """Return a client of the recorded store that comes as `role`."""
    record = read_json(Places(settings.home).store_record)
    pair = record["identities"][role]
    return _client(Credentials(record["endpoint"], **pair, region=record["region"]))


def make_bucket(server: Credentials, bucket: str) -> Minio:
    """Make the lake's bucket if it is not there; what is put into it is encrypted at rest."""
    administrator = _client(server)
    if not administrator.bucket_exists(bucket):
        administrator.make_bucket(bucket)
    administrator.set_bucket_encryption(bucket, SSEConfig(Rule.new_sse_s3_rule()))
    return administrator


def _wrong(ask: Callable[[], object]) -> str:
    try:
        ask()
    except S3Error as error:
        return f"refuses: {error.code}"
    except (MinioException, urllib3.exceptions.HTTPError) as error:
        return f"no answer ({type(error).__name__})"
    return ""


def _minio(
    settings: Settings, choice: Choice, identities: Mapping[str, Any], name: str
) -> Component:
    binary = minio.find_binary()
    if not binary:
        raise StoreError(
            "the lake lies in a MinIO server's files, and no minio program is here",
            hint="run `make minio`, or put one on the PATH",
        )

    def settle() -> None:
        with _settling():
            server = _administrator(settings)
            make_bucket(server, choice.bucket)
            minio.grant(server, choice.bucket, choice.folder, identities)

    return Component(
        name=name,
        arguments=minio.arguments(settings, binary),
        environment=minio.environment(settings),
        check=lambda: _wrong(lambda: _try(settings, choice)),
        prepare=lambda: minio.prepare(settings),
        settle=settle,
    )


def chosen(settings: Settings, record: Mapping[str, Any]) -> Choice:
    """Return what the settings choose, where they say nothing what is recorded."""
    if settings.url and not settings.url.startswith("s3://"):
        return Choice("folder", settings.url)
    kind = _kind(settings, record)
    known = str(record.get("url") or "")
    if kind == "folder":
        return Choice(kind, known)
    url = settings.url or (known if known.startswith("s3://") else _DEFAULT_URL)
    if kind == "external":
        return Choice(kind, url, _endpoint(settings, record))
    return Choice(kind, url, f"http://{LOOPBACK}:{settings.ports['s3']}")


def _kind(settings: Settings, record: Mapping[str, Any]) -> str:
    wish = settings.store
    if wish.startswith(("http://", "https://")):
        return "external"
    if wish not in ("auto", *EMBEDDED):
        raise SpecError("LAKEHOUSE_STORE names no store", hint=f"set it to {_CHOICES}")
    if wish == "minio" and not minio.find_binary():
        raise SpecError(
            "LAKEHOUSE_STORE is minio, and no minio program is here",
            hint="run `make minio`, or put one on the PATH",
        )
    if wish != "auto":
        return wish
    if "LAKEHOUSE_S3_ENDPOINT" in settings.environment:
        return "external"
    return str(record.get("store") or ("minio" if minio.find_binary() else "seaweedfs"))


def _endpoint(settings: Settings, record: Mapping[str, Any]) -> str:
    if settings.store.startswith("http"):
        return settings.store.rstrip("/")
    return settings.environment.get("LAKEHOUSE_S3_ENDPOINT") or str(record["endpoint"])


def _require_same(choice: Choice, record: Mapping[str, Any]) -> None:
    kind, url = record.get("store"), record.get("url")
    moved = choice.kind == "external" and choice.endpoint != record.get("endpoint")
    if (choice.kind, choice.url) != (kind, url) or moved:
        raise SpecError(
            f"the settings name another store than this stack's lake lies in ({kind}, {url})",
            hint="`lakehouse move` brings it there; or take LAKEHOUSE_STORE and LAKEHOUSE_URL back",
        )


def _identities(
    settings: Settings, choice: Choice, known: Mapping[str, Any]
) -> dict[str, Mapping[str, str]]:
    if choice.kind == "folder":
        return {}
    if choice.kind in EMBEDDED:
        return {role: known.get(role) or key_pair() for role in ROLES}
    return {role: _from_environment(settings, role) or _known(known, role) for role in ROLES}


def _from_environment(settings: Settings, role: str) -> dict[str, str] | None:
    access_key = settings.given_key(role, "ACCESS_KEY")
    secret_key = settings.given_key(role, "SECRET_KEY")
    return (
        {"access_key": access_key, "secret_key": secret_key} if access_key and secret_key else None
    )


def _known(known: Mapping[str, Any], role: str) -> Mapping[str, str]:
    if role not in known:
        raise SpecError(
            f"no keys for the role {role} of the S3 server are set",
            hint="set LAKEHOUSE_S3_ACCESS_KEY and LAKEHOUSE_S3_SECRET_KEY, or those of each role",
        )
    return dict(known[role])


def _administrator(settings: Settings) -> Credentials:
    keys = store_secrets(Places(settings.home))
    endpoint = f"http://{LOOPBACK}:{settings.ports['s3']}"
    return Credentials(endpoint, keys["admin_access_key"], keys["admin_secret_key"])


def _client(keys: Credentials) -> Minio:
    place = urlsplit(keys.endpoint)
    return Minio(
        place.netloc,
        access_key=keys.access_key,
        secret_key=keys.secret_key,
        secure=place.scheme == "https",
        region=keys.region,
        http_client=urllib3.PoolManager(timeout=_ANSWER_SECONDS, retries=False),
    )


def _try(settings: Settings, choice: Choice) -> None:
    """Use the bucket, if it is there: the server answers before its volumes do."""
    administrator = _client(_administrator(settings))
    if administrator.bucket_exists(choice.bucket):
        _use(administrator, choice)


def _use(client: Minio, choice: Choice) -> None:
    """Write, read and remove an object."""
    key = "/".join(part for part in (choice.folder, "lineage/_ready") if part)
    client.put_object(choice.bucket, key, io.BytesIO(b"ready"), 5)
    client.get_object(choice.bucket, key).close()
    client.remove_object(choice.bucket, key)


@contextmanager
def _settling() -> Iterator[None]:
    try:
        yield
    except (MinioException, urllib3.exceptions.HTTPError) as error:
        raise StoreError(f"the bucket could not be made: {type(error).__name__}") from None
