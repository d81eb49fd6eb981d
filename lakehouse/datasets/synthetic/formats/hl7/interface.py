"""How messages leave a site: headers, control ids, files, resends, and what breaks on the way."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from lakehouse.datasets.synthetic.clock import END, utc
from lakehouse.datasets.synthetic.dice import scatter
from lakehouse.datasets.synthetic.formats.hl7.breaks import BREAKS
from lakehouse.datasets.synthetic.formats.hl7.segments import (
    LATIN,
    MARKED,
    UNICODE,
    Message,
    Words,
)
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
# counters of draws, apart from those of messages
_IS_BROKEN, _WHICH, _HOW = (1 << 32, 2 << 32, 3 << 32)


class Sent(NamedTuple):
    """A message as it left, with segments that end in CR."""

    message: Message
    control: str
    data: bytes
    at: int
    is_resend: bool = False


class Interface:
    """The four streams of one site. One message of a hundred is sent twice; `defects` of 10,000
    people have one that is broken."""

    def __init__(self, words: Words, folder: Path, truth: Truth, defects: int) -> None:
        self._words, self._truth, self._defects = words, truth, defects
        self._files = {name: Parts(folder, name.lower(), "hl7", _LIMIT) for name in STREAMS}
        odd = words.site.index % 2
        self._ends = {
            name: b"\n" if place // 2 ^ odd else b"\r" for place, name in enumerate(STREAMS)
        }
        self._batches = 0
        self._route = f"{words.facility}|LAKEHOUSE|RESEARCH"

    def send(self, person: Person, messages: Sequence[Message]) -> None:
        """All messages of a person, in the order of time."""
        key = int.from_bytes(person.key[:8], "big") + self._words.site.index
        streams = self._streams(person, messages, key)
        if scatter(key, _IS_BROKEN) % _PARTS < self._defects:
            self._break(person, streams, key)
        for name, sent in streams.items():
            if sent:
                self._write(name, sent)
                self._tell(person, sent, self._files[name].path)
                if self._files[name].is_full:
                    self._finish(name)

    def close(self) -> None:
        """Write the trailers of the last files."""
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

    def _break(self, person: Person, streams: dict[str, list[Sent]], key: int) -> None:
        """One of the messages does not arrive as it was meant."""
        place, how = scatter(key, _WHICH), scatter(key, _HOW)
        filled = [name for name in STREAMS if streams[name]]
        stream = streams[filled[place % len(filled)]]
        place = (place >> 8) % len(stream)
        sent = stream[place]
        kind, broken = BREAKS[how % len(BREAKS)](sent.data)
        stream[place] = sent._replace(data=broken)
        row = {"person": person.id, "site": self._words.site.name, "kind": kind, "format": "hl7"}
        path = self._files[sent.message.event[:3]].path
        self._truth.write(
            "defect", {**row, "target": sent.control, "file": path, "at": utc(sent.at)}
        )

    def _write(self, name: str, sent: Sequence[Sent]) -> None:
        data = b"".join([one.data for one in sent])
        if name == _BATCHED:
            data = self._batch(data, len(sent), is_first=self._files[name].size == 0)
        self._files[name].write(data.replace(b"\r", self._ends[name]))

    def _batch(self, data: bytes, count: int, *, is_first: bool) -> bytes:
        """FHS before the first batch of a file; BHS and BTS around each (chapter 2.10.3)."""
        head = f"|^~\\&|{_SENDERS[_BATCHED]}|{self._route}|{self._words.stamp(END)}|||{MARK}\r"
        opening = f"FHS{head}BHS{head}" if is_first else f"BHS{head}"
        self._batches += 1
        return opening.encode() + data + f"BTS|{count}\r".encode()

    def _finish(self, name: str) -> None:
        file = self._files[name]
        if name == _BATCHED and file.size:
            file.write(f"FTS|{self._batches}".encode() + self._ends[name])
            self._batches = 0
        file.turn()

    def _tell(self, person: Person, sent: Sequence[Sent], path: str) -> None:
        site, write = self._words.site.name, self._truth.write
        for one in sent:
            told = one.message
            write(
                "message",
                {
                    "person": person.id,
                    "site": site,
                    "patient": told.patient,
                    "encounter": told.encounter or None,
                    "control_id": one.control,
                    "type": told.event[:7],
                    "at": utc(one.at),
                    "file": path,
                    "is_resend": one.is_resend,
                },
            )


def _again(stream: Sequence[Sent], told: Message) -> list[Sent]:
    """The first message of the same event and encounter, as it was."""
    for sent in stream:
        if sent.message.event == told.event and sent.message.encounter == told.encounter:
            return [sent._replace(at=told.at, is_resend=True)]
    return []
