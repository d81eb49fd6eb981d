"""How messages leave a site: headers, control ids, files, resends, and what breaks on the way."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import orjson

from lakehouse.datasets.synthetic.clock import DAY, utc
from lakehouse.datasets.synthetic.dice import scatter
from lakehouse.datasets.synthetic.formats.hl7.breaks import BREAKS
from lakehouse.datasets.synthetic.formats.hl7.segments import (
    LATIN,
    MARKED,
    UNICODE,
    Message,
    Words,
)
from lakehouse.datasets.synthetic.formats.hl7.spool import Kept, Spool
from lakehouse.datasets.synthetic.model import Person
from lakehouse.datasets.synthetic.parts import Parts
from lakehouse.datasets.synthetic.truth import MARK, Truth

STREAMS = ("ADT", "ORM", "ORU", "MDM")
"""What the site keeps apart: people, orders, results and notes."""

_SENDERS = {"ADT": "REGISTRATION", "ORM": "ORDERS", "ORU": "RESULTS", "MDM": "TRANSCRIPTION"}
_BATCHED = "ORU"
_LIMIT = 8 << 20
_PARTS = 10_000
_RESENT = 100
_LATER = 5
_BROKEN = b'{"defect"'
# counters of draws, apart from those of messages
_IS_BROKEN, _WHICH, _HOW = (1 << 32, 2 << 32, 3 << 32)


class Sent(NamedTuple):
    """A message as it left, with segments that end in CR."""

    message: Message
    control: str
    data: bytes
    at: int
    is_resend: bool = False
    defect: str = ""


class Interface:
    """The four streams of one site, each in the order of time. One message of a hundred is sent
    twice; `defects` of 10,000 people have one that is broken."""

    def __init__(self, words: Words, folder: Path, truth: Truth, defects: int) -> None:
        self._words, self._truth, self._defects = words, truth, defects
        self._files = {name: Parts(folder, name.lower(), "hl7", _LIMIT) for name in STREAMS}
        odd = words.site.index % 2
        self._ends = {
            name: b"\n" if place // 2 ^ odd else b"\r" for place, name in enumerate(STREAMS)
        }
        self._spool = Spool(folder)
        self._batch = _Batch()
        self._route = f"{words.facility}|LAKEHOUSE|RESEARCH"

    def send(self, person: Person, messages: Sequence[Message]) -> None:
        """All messages of a person, in the order of time. They are written by `close`."""
        key = int.from_bytes(person.key[:8], "big") + self._words.site.index
        streams = self._streams(person, messages, key)
        if scatter(key, _IS_BROKEN) % _PARTS < self._defects:
            _break(streams, key)
        for number, name in enumerate(STREAMS):
            for sent in streams[name]:
                self._spool.add(sent.at, number, sent.data, self._row(person, sent))

    def close(self) -> None:
        """Write what all were sent, by time, and the trailers of the last files."""
        for kept in self._spool.drain():
            self._write(STREAMS[kept.stream], kept)
        for name in self._files:
            self._finish(name)

    def _streams(
        self, person: Person, messages: Sequence[Message], key: int
    ) -> dict[str, list[Sent]]:
        """What is sent, with numbers, and what is sent twice after what comes next."""
        streams: dict[str, list[Sent]] = {name: [] for name in STREAMS}
        waiting: dict[str, Sent] = {}
        local = f"{self._words.site.local(person.number):06}"
        for place, told in enumerate(messages, 1):
            name = told.event[:3]
            stream = streams[name]
            if told.is_again:
                stream += _again(stream, told)
                continue
            sent = self._sent(name, told, f"{local}{place:04}")
            stream.append(sent)
            if name in waiting:
                stream.append(waiting.pop(name)._replace(at=told.at))
            if scatter(key, place) % _RESENT == 0:
                waiting[name] = sent._replace(is_resend=True, at=told.at + _LATER)
        for name, sent in waiting.items():
            streams[name].append(sent)
        return streams

    def _sent(self, name: str, told: Message, control: str) -> Sent:
        charset, body = UNICODE, b""
        if self._words.is_plain:
            try:
                body, charset = told.body.encode("latin-1"), LATIN
            except UnicodeEncodeError:
                body = told.body.encode()
        else:
            body = told.body.encode()
        header = (
            f"MSH|^~\\&|{_SENDERS[name]}|{self._route}|{self._words.stamp(told.at)}||{told.event}|"
            f"{control}|T|2.5.1|||AL|NE|USA|{charset}\r"
        )
        return Sent(told, control, header.encode() + body + MARKED, told.at)

    def _row(self, person: Person, sent: Sent) -> bytes:
        """What the truth says of a message, but for its file; a defect comes first."""
        told = sent.message
        row = {
            "person": person.id,
            "site": self._words.site.name,
            "patient": told.patient,
            "encounter": told.encounter or None,
            "control_id": sent.control,
            "type": told.event[:7],
            "at": utc(sent.at),
            "is_resend": sent.is_resend,
        }
        return orjson.dumps({"defect": sent.defect} | row if sent.defect else row)

    def _write(self, name: str, kept: Kept) -> None:
        file, data = self._files[name], kept.data
        if name == _BATCHED:
            if self._batch.day != kept.at // DAY:
                data = self._trailer() + self._header(kept.at // DAY) + data
            self._batch.n_messages += 1
        file.write(data.replace(b"\r", self._ends[name]))
        self._tell(kept.row, file.path)
        if file.is_full:
            self._finish(name)

    def _header(self, day: int) -> bytes:
        """BHS before the messages of a day, FHS before the first batch of a file (chapter
        2.10.3)."""
        at = self._words.stamp((day + 1) * DAY)
        head = f"|^~\\&|{_SENDERS[_BATCHED]}|{self._route}|{at}|||{MARK}\r"
        opening = f"FHS{head}BHS{head}" if self._files[_BATCHED].size == 0 else f"BHS{head}"
        self._batch.day = day
        return opening.encode()

    def _trailer(self) -> bytes:
        """BTS behind the messages of a day."""
        batch = self._batch
        if batch.day is None:
            return b""
        told = f"BTS|{batch.n_messages}\r".encode()
        self._batch = _Batch(n_batches=batch.n_batches + 1)
        return told

    def _finish(self, name: str) -> None:
        file = self._files[name]
        if name == _BATCHED and file.size:
            told = self._trailer() + f"FTS|{self._batch.n_batches}\r".encode()
            file.write(told.replace(b"\r", self._ends[name]))
            self._batch = _Batch()
        file.turn()

    def _tell(self, row: bytes, path: str) -> None:
        if row.startswith(_BROKEN):
            told = orjson.loads(row)
            broken = {"kind": told.pop("defect"), "format": "hl7", "target": told["control_id"]}
            broken |= {name: told[name] for name in ("person", "site", "at")}
            self._truth.write("defect", broken | {"file": path})
            row = orjson.dumps(told)
        self._truth.write_dumped("message", row, {"file": path})


def _break(streams: dict[str, list[Sent]], key: int) -> None:
    """One of the messages does not arrive as it was meant."""
    place, how = scatter(key, _WHICH), scatter(key, _HOW)
    filled = [name for name in STREAMS if streams[name]]
    stream = streams[filled[place % len(filled)]]
    place = (place >> 8) % len(stream)
    kind, broken = BREAKS[how % len(BREAKS)](stream[place].data)
    stream[place] = stream[place]._replace(data=broken, defect=kind)


@dataclass(slots=True)
class _Batch:
    """The batch that is being written, of which day it is, and how many came before it in its
    file."""

    day: int | None = None
    n_messages: int = 0
    n_batches: int = 0


def _again(stream: Sequence[Sent], told: Message) -> list[Sent]:
    """The first message of the same event and encounter, as it was."""
    for sent in stream:
        if sent.message.event == told.event and sent.message.encounter == told.encounter:
            return [sent._replace(at=told.at, is_resend=True)]
    return []
