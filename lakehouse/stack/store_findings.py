"""Is the store fit for a lake? What exactly-once and least privilege rest on is tried."""

import stat
from pathlib import Path
from urllib.parse import urlsplit

from lakehouse.catalog.feeds import is_loopback
from lakehouse.errors import LakehouseError
from lakehouse.settings import ROLES, Settings
from lakehouse.stack import folder_probe, s3_probe
from lakehouse.stack.finding import Finding, found
from lakehouse.stack.rights import RIGHTS

_SKEW_SECONDS = 60  # the hours of lineage and of commits must agree; S3 itself refuses 15 minutes


def look_at_store(settings: Settings, *, is_server: bool) -> list[Finding]:
    """Try the lake's store with harmless objects that are removed again; tell what was found.

    Raises nothing for a store that is ill: that is a finding.
    """
    try:
        url = settings.lake_url()
        if not url.startswith("s3://"):
            return _folder(Path(url))
        return _s3(settings, url, is_server=is_server)
    except LakehouseError as error:
        return [Finding("the store answers", False, error.message, error.hint)]


def _folder(root: Path) -> list[Finding]:
    if not root.is_dir():
        return [found("the store answers", False, f"{root} is not a folder", "make the folder")]
    with folder_probe.opened(root) as probe:
        return [
            _race(probe.race()),
            _round_trip(probe.round_trip()),
            _clock(probe.skew_seconds()),
            found(
                "the lake is its owner's only",
                not stat.S_IMODE(root.stat().st_mode) & 0o007,
                f"mode {stat.S_IMODE(root.stat().st_mode):o}",
                f"chmod o= {root}",
            ),
        ]


def _s3(settings: Settings, url: str, *, is_server: bool) -> list[Finding]:
    place = urlsplit(url)
    keys = {role: settings.credentials(role) for role in ROLES}
    clients = {role: s3_probe.Client(place, pair) for role, pair in keys.items() if pair}
    probe = s3_probe.Probe(clients)
    try:
        return [
            _transport(clients["read"].endpoint, is_server=is_server),
            _clock(probe.skew_seconds()),
            _race(probe.race()),
            _round_trip(probe.round_trip()),
            *(_rights(role, probe.rights(role)) for role in RIGHTS),
        ]
    finally:
        probe.remove_all()


def _transport(endpoint: str, *, is_server: bool) -> Finding:
    place = urlsplit(endpoint)
    # a name without a dot is a container's, in a network of the engine that has no way out
    is_inner = is_server and "." not in (place.hostname or ".")
    private = place.scheme == "https" or is_inner or is_loopback(place.hostname)
    seen = "https" if place.scheme == "https" else "plain http"
    return found(
        "the way to the store is private",
        private,
        f"{seen}{', inside the engine' if is_inner else ''}",
        "use an https:// endpoint",
    )


def _race(winners: list[int]) -> Finding:
    wrong = sum(count != 1 for count in winners)
    return found(
        "of those who write one key at once, one wins",
        not wrong,
        f"{len(winners)} races, {wrong} with no winner or several",
        "this store can lose or double commits: take one with conditional put (If-None-Match)",
    )


def _round_trip(intact: bool) -> Finding:
    name = "what was written is read back"
    seen = "same bytes, whole and in part" if intact else "other bytes came back"
    return found(name, intact, seen, "do not use this store")


def _clock(skew_seconds: float) -> Finding:
    return found(
        "the clocks agree",
        abs(skew_seconds) <= _SKEW_SECONDS,
        f"{skew_seconds:+.0f} seconds apart",
        "let both machines keep network time",
    )


def _rights(role: str, wrong: list[str]) -> Finding:
    return found(
        f"the rights of {role}",
        not wrong,
        "; ".join(wrong) or "what it may works, what it may not is refused",
        f"give {role} keys of its own with the rights in docs/security.md",
    )
