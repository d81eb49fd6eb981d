"""One frozen object, read once from `LAKEHOUSE_*`; every setting is listed in docs/settings.md."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from lakehouse.errors import SpecError

PROJECT = Path(__file__).resolve().parents[1]
ROLES = ("ingest", "refine", "publish", "read", "govern")
_UNITS = {"MiB": 2**20, "GiB": 2**30}


@dataclass(frozen=True, slots=True)
class Credentials:
    """What one role presents to the object store."""

    endpoint: str
    access_key: str
    secret_key: str = field(repr=False)
    region: str = "us-east-1"


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the lake is and how much of the machine it may use."""

    home: Path
    url: str | None
    config: Path | None
    store: str
    memory_bytes: int
    slots: int
    lineage_url: str | None
    keep_days: int
    notify_mail: tuple[str, ...]
    ports: Mapping[str, int]
    environment: Mapping[str, str] = field(repr=False)

    @property
    def sql(self) -> tuple[Path, ...]:
        """The folders of declarations: ours, then the hospital's laid over it."""
        return self._layers("sql")

    @property
    def feeds(self) -> Path:
        """The feeds.toml in force: the hospital's replaces ours."""
        own = self.config / "feeds.toml" if self.config else None
        return own if own and own.is_file() else PROJECT / "dags" / "feeds.toml"

    @property
    def policy(self) -> tuple[Path, ...]:
        """The files that say who may do what: ours, then the hospital's laid over it."""
        own = self.config / "policy.yml" if self.config else None
        ours = PROJECT / "sql" / "policy.yml"
        return (ours, own) if own and own.is_file() else (ours,)

    @property
    def inbox(self) -> Path:
        """The folder senders write to, one folder a feed below it."""
        return Path(self.environment.get("LAKEHOUSE_INBOX", self.home / "inbox"))

    @property
    def outbox(self) -> Path:
        """The folder where lineage events wait for `govern`."""
        return self.home / "lineage"

    @property
    def slot_memory_bytes(self) -> int:
        """The share of memory one task may use."""
        return self.memory_bytes // self.slots

    def notify_url(self) -> str | None:
        """The webhook that is told of failures: what `LAKEHOUSE_NOTIFY_URL_FILE` holds, for such an
        address is a secret. Raises SpecError where the file cannot be read."""
        path = self.environment.get("LAKEHOUSE_NOTIFY_URL_FILE")
        try:
            return Path(path).read_text().strip() if path else None
        except OSError as error:
            raise SpecError(f"LAKEHOUSE_NOTIFY_URL_FILE cannot be read: {error.strerror}") from None

    def lake_url(self) -> str:
        """The lake's place: `LAKEHOUSE_URL`, else the one the stack recorded.

        Raises SpecError when neither is there.
        """
        if self.url:
            return self.url
        recorded = self._recorded()
        if "url" not in recorded:
            raise SpecError(
                "no lake is known here",
                hint="start the stack with `lakehouse up`, or set LAKEHOUSE_URL to a folder or s3://",
            )
        return str(recorded["url"])

    def credentials(self, role: str) -> Credentials | None:
        """The keys of `role`, from the environment or the stack's record; None for a folder.

        Raises SpecError when the lake is in S3 and no keys for the role are known.
        """
        if not self.lake_url().startswith("s3://"):
            return None
        if "LAKEHOUSE_S3_ENDPOINT" in self.environment:
            return self._from_environment(role)
        identity = self._recorded().get("identities", {}).get(role)
        if not identity:
            raise SpecError(
                f"no keys for the role {role} are known here",
                hint="set LAKEHOUSE_S3_ENDPOINT and its keys (docs/settings.md)",
            )
        return Credentials(
            str(self._recorded()["endpoint"]), identity["access_key"], identity["secret_key"]
        )

    def given_key(self, role: str, name: str) -> str | None:
        """The `ACCESS_KEY` or `SECRET_KEY` of a role as the environment gives it, itself or by the
        file that it names; None where it gives none. Raises SpecError for a file without one."""
        own = _value_or_file(self.environment, f"LAKEHOUSE_S3_{role.upper()}_{name}")
        return own or _value_or_file(self.environment, f"LAKEHOUSE_S3_{name}")

    def _from_environment(self, role: str) -> Credentials:
        def value(name: str) -> str:
            found = self.given_key(role, name)
            if not found:
                raise SpecError(
                    f"no S3 {name.lower().replace('_', ' ')} for the role {role}",
                    hint=f"set LAKEHOUSE_S3_{role.upper()}_{name} or LAKEHOUSE_S3_{name}",
                )
            return found

        return Credentials(
            self.environment["LAKEHOUSE_S3_ENDPOINT"],
            value("ACCESS_KEY"),
            value("SECRET_KEY"),
            self.environment.get("LAKEHOUSE_S3_REGION", "us-east-1"),
        )

    def _recorded(self) -> dict[str, Any]:
        path = self.home / "secrets" / "store.json"
        try:
            is_ = path.stat()
        except FileNotFoundError:
            return {}
        return _record(path, (is_.st_ino, is_.st_mtime_ns, is_.st_size))

    def _layers(self, folder: str) -> tuple[Path, ...]:
        own = self.config / folder if self.config else None
        return (PROJECT / folder, own) if own and own.is_dir() else (PROJECT / folder,)


@lru_cache(maxsize=4)
def _record(path: Path, _: tuple[int, ...]) -> dict[str, Any]:
    """What the stack wrote down; a DAG file with many tables asks for it with each of them."""
    return dict(json.loads(path.read_text()))


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Read `LAKEHOUSE_*`; raises SpecError for a value that cannot be used."""
    env = dict(os.environ if environment is None else environment)
    config = env.get("LAKEHOUSE_CONFIG")
    return Settings(
        home=Path(env.get("LAKEHOUSE_HOME", PROJECT / ".lakehouse")).absolute(),
        url=_url(env.get("LAKEHOUSE_URL")),
        config=Path(config).absolute() if config else None,
        store=env.get("LAKEHOUSE_STORE", "auto"),
        memory_bytes=_bytes(env.get("LAKEHOUSE_MEMORY")) or _half_the_machine(),
        slots=_number(env, "LAKEHOUSE_SLOTS", 4),
        lineage_url=env.get("LAKEHOUSE_LINEAGE_URL") or None,
        keep_days=_number(env, "LAKEHOUSE_KEEP_DAYS", 7),
        notify_mail=tuple(filter(None, re.split(r"[,\s]+", env.get("LAKEHOUSE_NOTIFY_MAIL", "")))),
        ports=MappingProxyType(
            {
                "airflow": _number(env, "LAKEHOUSE_AIRFLOW_PORT", 8080),
                "s3": _number(env, "LAKEHOUSE_S3_PORT", 8333),
            }
        ),
        environment=MappingProxyType({k: v for k, v in env.items() if k.startswith("LAKEHOUSE_")}),
    )


def _value_or_file(env: Mapping[str, str], name: str) -> str | None:
    """The value of a setting, or what the file holds that `<name>_FILE` names, as secrets come."""
    path = env.get(f"{name}_FILE")
    if not path:
        return env.get(name)
    try:
        text = Path(path).read_text().strip()
    except (OSError, ValueError):
        raise SpecError(f"the file that {name}_FILE names cannot be read") from None
    if not text:
        raise SpecError(f"the file that {name}_FILE names is empty")
    return text


def _url(text: str | None) -> str | None:
    if not text:
        return None
    if text.startswith("s3://"):
        return text.rstrip("/")
    if "://" in text:
        raise SpecError("LAKEHOUSE_URL is neither a folder nor an s3:// address")
    return str(Path(text).absolute())


def _number(env: Mapping[str, str], name: str, default: int) -> int:
    text = env.get(name)
    if text is None:
        return default
    if not text.isdecimal() or int(text) == 0:
        raise SpecError(f"{name} is not a positive whole number")
    return int(text)


def _bytes(text: str | None) -> int | None:
    if text is None:
        return None
    number, unit = text[:-3], text[-3:]
    if unit not in _UNITS or not number.isdecimal() or int(number) == 0:
        raise SpecError("LAKEHOUSE_MEMORY is not a size", hint="write it like 4GiB or 512MiB")
    return int(number) * _UNITS[unit]


def _half_the_machine() -> int:
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return max(pages * size // 2, _UNITS["GiB"])
