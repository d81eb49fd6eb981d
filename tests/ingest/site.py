"""A lake with one feed that is pulled from a server of these tests."""

import gzip
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from lakehouse.ingest.bulk.pull import pull
from lakehouse.ingest.bulk.wire import Patience
from lakehouse.ingest.receive import Received
from lakehouse.storage.lake import Lake
from tests.ingest.ehr import Ehr
from tests.workbench import Resource, day, encounter, ingest, lake_at, patient, pulse

STANZA = """
[feed.north_ehr]
about = "The north's records"
source = "north"
reads = "fhir"
zone = "America/New_York"
owner = "tests"
every = "0 * * * *"
settle = "1 hour"
receives = "fhir+{base}/fhir"

[feed.north_ehr.export]
{keys}
"""
RECORDS = [
    patient("p1", day(1)),
    patient("p2", day(2)),
    pulse("o1", day(3)),
    encounter("e1", day(4)),
]


@dataclass
class Site:
    """A lake with one feed, its server, and the pauses that were made."""

    root: Path
    ehr: Ehr
    keys: str = ""
    waits: list[float] = field(default_factory=list)
    sleeps: list[float] = field(default_factory=list)

    @property
    def lake(self) -> Lake:
        config = self.root / "config"
        config.mkdir(parents=True, exist_ok=True)
        (config / "feeds.toml").write_text(STANZA.format(base=self.ehr.base, keys=self.keys))
        return lake_at(self.root)

    @property
    def inbox(self) -> Path:
        return self.root / "home" / "inbox" / "north_ehr"

    def pull(self, *, full: bool = False) -> Received:
        lake = self.lake
        patience = Patience(
            self.waits.append, self.sleeps.append, tries=4, connect_seconds=5, read_seconds=0.5
        )
        return pull(lake.settings, lake.catalog.feeds["north_ehr"], patience, full=full)

    def take(self) -> int:
        """Pull and load; how many records were good."""
        self.pull()
        return ingest(self.lake).good

    def inbox_files(self) -> dict[str, bytes]:
        """What a pull put into the inbox, by name."""
        found = (path for path in self.inbox.glob("export-*/*") if path.is_file())
        return {str(path.relative_to(self.inbox)): path.read_bytes() for path in found}

    def records(self) -> list[Resource]:
        """The records of the exports in the inbox, in their order."""
        found = []
        for name, content in sorted(
            self.inbox_files().items(), key=lambda item: item[0].split(".")[1]
        ):
            unpacked = gzip.decompress(content) if name.endswith(".gz") else content
            if not name.endswith("manifest.json"):
                found += [json.loads(line) for line in unpacked.splitlines()]
        return found

    def manifest(self) -> dict[str, Any]:
        (path,) = self.inbox.glob("export-*/manifest.json")
        return dict(json.loads(path.read_bytes()))


ALGORITHMS = {
    "RS384": (jwt.algorithms.RSAAlgorithm, rsa.generate_private_key(65537, 2048)),
    "ES384": (jwt.algorithms.ECAlgorithm, ec.generate_private_key(ec.SECP384R1())),
}


def as_client(site: Site, algorithm: str = "ES384") -> dict[str, Any]:
    """Give the site a key, and its server the public half; the key as a JSON Web Key."""
    kind, key = ALGORITHMS[algorithm]
    told = {**json.loads(kind.to_jwk(key)), "kid": "our-key", "alg": algorithm}
    path = site.root / "home" / "secrets" / "ehr.json"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.write_text(json.dumps(told))
    path.chmod(0o600)
    site.keys = 'client_id = "the-lake"\nkey_file = "ehr.json"'
    site.ehr.client_key = key.public_key()
    return told
