"""The files of one export: parts of NDJSON by type, deletions, and the manifest that lists them."""

import json
import zlib
from pathlib import Path

from lakehouse.datasets.synthetic.clock import exported_at, utc
from lakehouse.datasets.synthetic.words.codes import TERMS

_FLUSH = 64
_BLOCK = 65_535
_ENTRIES = 25
_LINES = 20_000
_PACKED = "Observation"
_MARK = {"system": f"{TERMS}/v3-ActReason", "code": "HTEST"}


class _Part:
    """One file. It is open only while it is written to: there may be hundreds."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        path.write_bytes(self._head())

    def add(self, lines: list[bytes]) -> None:
        self.count += len(lines)
        with self.path.open("ab") as file:
            file.write(self._packed(b"".join(lines)))

    def close(self) -> None:
        """Write what comes last."""

    def _head(self) -> bytes:
        return b""

    def _packed(self, content: bytes) -> bytes:
        return content


class _Packed(_Part):
    """A gzip file of stored blocks (RFC 1951, 1952): every zlib compresses in its own way, and the
    bytes must not depend on which one is here."""

    def __init__(self, path: Path) -> None:
        self._check = 0
        self._size = 0
        super().__init__(path)

    def close(self) -> None:
        with self.path.open("ab") as file:
            last_block = b"\x01\x00\x00\xff\xff"
            file.write(last_block + _number(self._check) + _number(self._size))

    def _head(self) -> bytes:
        return b"\x1f\x8b\x08\0\0\0\0\0\0\xff"

    def _packed(self, content: bytes) -> bytes:
        self._check = zlib.crc32(content, self._check)
        self._size += len(content)
        told = bytearray()
        for start in range(0, len(content), _BLOCK):
            block = content[start : start + _BLOCK]
            told += b"\0" + _number(len(block))[:2] + _number(len(block) ^ 0xFFFF)[:2] + block
        return bytes(told)


def _number(value: int) -> bytes:
    return (value & 0xFFFFFFFF).to_bytes(4, "little")


class _Stream:
    """The parts of a type. Every second observation goes to a packed part; a full part is
    followed by another."""

    def __init__(self, folder: Path, kind: str) -> None:
        self._folder = folder
        self._kind = kind
        self._width = 2 if kind == _PACKED else 1
        self._current: list[_Part] = []
        self._lines: list[bytes] = []
        self.parts: list[_Part] = []

    def add(self, line: bytes) -> None:
        self._lines.append(line)
        if len(self._lines) >= _FLUSH:
            self._flush()

    def _flush(self) -> None:
        if not self._current or self._current[0].count >= _LINES:
            self._open()
        for place, part in enumerate(self._current):
            part.add(self._lines[place :: self._width])
        self._lines.clear()

    def _open(self) -> None:
        for part in self._current:
            part.close()
        self._current = []
        for place in range(self._width):
            name = f"{self._kind}.{len(self.parts):03}.ndjson"
            part = _Packed(self._folder / f"{name}.gz") if place else _Part(self._folder / name)
            self._current.append(part)
            self.parts.append(part)

    def close(self) -> None:
        if self._lines:
            self._flush()
        for part in self._current:
            part.close()


class ExportFiles:
    """The folder of one export while it is written."""

    def __init__(self, folder: Path, base: str, export: int) -> None:
        self._folder = folder
        self._base = base
        self._export = export
        self._streams: dict[str, _Stream] = {}
        self._deleted: list[str] = []
        self._bundles: _Part | None = None
        folder.mkdir(parents=True)

    def add(self, kind: str, line: bytes) -> None:
        """One line of a type."""
        found = self._streams.get(kind)
        if found is None:
            found = self._streams[kind] = _Stream(self._folder, kind)
        found.add(line)

    def delete(self, kind: str, identity: str) -> None:
        """A record that the site has deleted."""
        self._deleted.append(f"{kind}/{identity}")
        if len(self._deleted) >= _ENTRIES:
            self._bundle()

    def _bundle(self) -> None:
        if self._bundles is None:
            (self._folder / "deleted").mkdir()
            self._bundles = _Part(self._folder / "deleted" / "Bundle.000.ndjson")
        entries = [{"request": {"method": "DELETE", "url": url}} for url in self._deleted]
        meta = {"security": [_MARK]}
        bundle = {"resourceType": "Bundle", "meta": meta, "type": "transaction", "entry": entries}
        self._bundles.add([json.dumps(bundle).encode() + b"\n"])
        self._deleted.clear()

    def close(self) -> None:
        """Close the parts, and write the manifest and the log (FHIR Bulk Data Access 2.0)."""
        if self._deleted:
            self._bundle()
        for stream in self._streams.values():
            stream.close()
        output = [
            self._listed(kind, part)
            for kind, stream in sorted(self._streams.items())
            for part in stream.parts
        ]
        deleted = [self._listed("Bundle", self._bundles)] if self._bundles else []
        since = f"?_since={utc(exported_at(self._export - 1))}" if self._export > 1 else ""
        at = utc(exported_at(self._export))
        manifest = {
            "transactionTime": at,
            "request": f"{self._base}/$export{since}",
            "requiresAccessToken": False,
            "output": output,
            "deleted": deleted,
            "error": [],
            "extension": {"https://synthetic.example.org/mark": "HTEST: synthetic, no real person"},
        }
        (self._folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
        self._log(at, [*output, *deleted])

    def _listed(self, kind: str, part: _Part) -> dict[str, object]:
        name = part.path.relative_to(self._folder)
        return {
            "type": kind,
            "url": f"{self._base}/export/{self._export}/{name}",
            "count": part.count,
        }

    def _log(self, at: str, listed: list[dict[str, object]]) -> None:
        """What a client of the export would write down (the common log of bulk data clients)."""
        told: list[tuple[str, dict[str, object]]] = [
            ("kickoff", {"exportUrl": f"{self._base}/$export"}),
            *(("download_complete", {"fileUrl": one["url"]}) for one in listed),
            ("export_complete", {"files": len(listed)}),
        ]
        common = {"exportId": f"HTEST-{self._export}", "timestamp": at}
        lines = [json.dumps(common | {"eventId": kind, "eventDetail": more}) for kind, more in told]
        # beside the export: it is no resource, and whoever lands the folder must not meet it
        with (self._folder.parent / "log.ndjson").open("a", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
