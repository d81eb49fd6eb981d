"""Is the store fit for a lake? What exactly-once and least privilege rest on is tried."""

import stat
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from lakehouse.errors import LakehouseError
from lakehouse.settings import ROLES, Settings
from lakehouse.stack import folder_probe, s3_probe
from lakehouse.stack.places import Places
from lakehouse.stack.rights import RIGHTS

_SKEW_SECONDS = 60  # the hours of lineage and of commits must agree; S3 itself refuses 15 minutes
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Finding:
    """One property: whether it holds, what was seen, and what to do when it does not."""

    name: str
    ok: bool
    detail: str
    hint: str = ""


def _found(name: str, ok: bool, detail: str, cure: str) -> Finding:
    return Finding(name, ok, detail, "" if ok else cure)


def doctor(settings: Settings) -> list[Finding]:
    """Try the lake's store with harmless objects that are removed again; tell what was found.

    Raises nothing for a store that is ill: that is a finding.
    """
    findings = [_secrets(Places(settings.home))]
    try:
        url = settings.lake_url()
        if not url.startswith("s3://"):
            return [*findings, *_folder(Path(url))]
        return [*findings, *_s3(settings, url)]
    except LakehouseError as error:
        return [*findings, Finding("the store answers", False, error.message, error.hint)]


def _secrets(places: Places) -> Finding:
    known = [path for path in places.secrets.rglob("*") if path.is_file()]
    open_to_others = [path for path in known if stat.S_IMODE(path.stat().st_mode) & 0o077]
    return _found(
        "secrets are their owner's only",
        not open_to_others,
        f"{len(known)} files, {len(open_to_others)} readable by others",
        f"chmod -R go= {places.secrets}",
    )


def _folder(root: Path) -> list[Finding]:
    if not root.is_dir():
        return [_found("the store answers", False, f"{root} is not a folder", "make the folder")]
    with folder_probe.opened(root) as probe:
        return [
            _race(probe.race()),
            _round_trip(probe.round_trip()),
            _clock(probe.skew_seconds()),
            _found(
                "the lake is its owner's only",
                not stat.S_IMODE(root.stat().st_mode) & 0o007,
                f"mode {stat.S_IMODE(root.stat().st_mode):o}",
                f"chmod o= {root}",
            ),
        ]


def _s3(settings: Settings, url: str) -> list[Finding]:
    place = urlsplit(url)
    keys = {role: settings.credentials(role) for role in ROLES}
    clients = {role: s3_probe.Client(place, pair) for role, pair in keys.items() if pair}
    probe = s3_probe.Probe(clients)
    try:
        return [
            _transport(clients["read"].endpoint),
            _clock(probe.skew_seconds()),
            _race(probe.race()),
            _round_trip(probe.round_trip()),
            *(_rights(role, probe.rights(role)) for role in RIGHTS),
        ]
    finally:
        probe.remove_all()


def _transport(endpoint: str) -> Finding:
    place = urlsplit(endpoint)
    private = place.scheme == "https" or place.hostname in _LOOPBACK
    seen = "https" if place.scheme == "https" else "plain http"
    return _found("the way to the store is private", private, seen, "use an https:// endpoint")


def _race(winners: list[int]) -> Finding:
    wrong = sum(count != 1 for count in winners)
    return _found(
        "of those who write one key at once, one wins",
        not wrong,
        f"{len(winners)} races, {wrong} with no winner or several",
        "this store can lose or double commits: take one with conditional put (If-None-Match)",
    )


def _round_trip(intact: bool) -> Finding:
    name = "what was written is read back"
    seen = "same bytes, whole and in part" if intact else "other bytes came back"
    return _found(name, intact, seen, "do not use this store")


def _clock(skew_seconds: float) -> Finding:
    return _found(
        "the clocks agree",
        abs(skew_seconds) <= _SKEW_SECONDS,
        f"{skew_seconds:+.0f} seconds apart",
        "let both machines keep network time",
    )


def _rights(role: str, wrong: list[str]) -> Finding:
    return _found(
        f"the rights of {role}",
        not wrong,
        "; ".join(wrong) or "what it may works, what it may not is refused",
        f"give {role} keys of its own with the rights in docs/security.md",
    )
