"""HL7 v2 of the synthetic hospital, held against the truth; the `hl7` library reads it too."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from zoneinfo import ZoneInfo

import hl7
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse.datasets.synthetic.formats.hl7.segments import escape
from tests.datasets.hospital import write

STREAMS = ("adt", "orm", "oru", "mdm")
ZONES = {"north": ZoneInfo("America/New_York"), "south": ZoneInfo("America/Chicago")}
CHARSETS = {"UNICODE UTF-8": "utf-8", "8859/1": "latin-1"}
WHOLE = "2026-11-10"
"""What begins before this day has ended, and been told, before the feed is cut."""


class Message(NamedTuple):
    site: str
    file: str
    data: bytes
    """With segments that end in CR."""
    control: str
    segments: list[list[str]]

    def field(self, name: str, place: int, *, component: int = 1) -> str:
        """A component of the first repetition of a field, or nothing."""
        for segment in self.segments:
            if segment[0] == name and place < len(segment):
                parts = segment[place].split("~")[0].split("^")
                return parts[component - 1] if component <= len(parts) else ""
        return ""

    def named(self, name: str) -> list[list[str]]:
        return [segment for segment in self.segments if segment[0] == name]

    @property
    def text(self) -> str:
        charset = self.data.partition(b"\r")[0].rpartition(b"|")[2].decode()
        return self.data.decode(CHARSETS[charset])

    @property
    def event(self) -> str:
        return self.field("MSH", 9, component=2)

    @property
    def at(self) -> datetime:
        return time(self.site, self.field("MSH", 7))


def time(site: str, text: str) -> datetime:
    """One hospital writes the offset, the other does not."""
    assert bool(text[14:]) == (site == "north")
    offset = text[14:] or datetime.fromisoformat(f"{text[:8]}T{text[8:14]}").replace(
        tzinfo=ZONES[site]
    ).strftime("%z")
    return datetime.strptime(text[:14] + offset, "%Y%m%d%H%M%S%z")


def bodies(data: bytes) -> Iterator[bytes]:
    """The messages of a file, without the headers and trailers of batches."""
    lines = [
        line
        for line in re.split(rb"[\r\n]", data)
        if line[:4] not in (b"FHS|", b"BHS|", b"BTS|", b"FTS|")
    ]
    joined = b"\r".join(lines)
    yield from (
        part.rstrip(b"\r") + b"\r" for part in re.split(rb"(?:^|(?<=\r))(?=MSH\|)", joined) if part
    )


def received(root: Path) -> Iterator[Message]:
    for path in sorted((root / "hl7").glob("*/*.hl7")):
        for data in bodies(path.read_bytes()):
            charset = CHARSETS[data.partition(b"\r")[0].rpartition(b"|")[2].decode()]
            segments = [
                line.split("|") for line in data.decode(charset, "replace").split("\r") if line
            ]
            # MSH-1 is the delimiter itself
            segments[0].insert(1, "|")
            yield Message(
                path.parent.name, str(path.relative_to(root)), data, segments[0][10], segments
            )


def truth(root: Path, stream: str) -> list[dict]:
    return [json.loads(line) for line in (root / "truth" / f"{stream}.ndjson").open()]


def defects(root: Path) -> list[dict]:
    return [row for row in truth(root, "defect") if row.get("format") == "hl7"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("hl7") / "out", "hl7", patients=84, defects=0)


@pytest.fixture(scope="module")
def messages(root: Path) -> list[Message]:
    return list(received(root))


@pytest.mark.long
def test_the_truth_lists_every_message_of_every_file(root: Path, messages: list[Message]) -> None:
    came = Counter((one.site, one.file, one.control, one.event) for one in messages)
    told = Counter(
        (row["site"], row["file"], row["control_id"], row["type"][4:])
        for row in truth(root, "message")
    )
    assert came == told
    assert {name for _, name, *_ in came} == {
        f"hl7/{site}/{stream}.000.hl7" for site in ZONES for stream in STREAMS
    }


@pytest.mark.long
def test_every_message_says_that_it_is_a_test(messages: list[Message]) -> None:
    for one in messages:
        assert one.field("MSH", 11) == "T"
        assert one.field("MSH", 4) == one.site.upper()
        assert one.segments[-1] == ["ZSY", "1", "HTEST: synthetic, no real person"]


# where in which segment ids stand, and where in which stream of the truth
PLACES = {
    "PID": [3],
    "PV1": [19],
    "MRG": [1, 5],
    "ORC": [2, 3],
    "OBR": [2, 3, 18],
    "ZDS": [1],
    "TXA": [12],
}
KNOWN = {
    "registration": ["mrn", "patient", "ssn"],
    "encounter": ["visit_number"],
    "link": ["placer", "accession", "study_uid"],
    "record": ["id"],
}


def ids(messages: list[Message]) -> set[tuple[str, str]]:
    return {
        (one.site, part.partition("^")[0])
        for one in messages
        for segment in one.segments
        for place in PLACES.get(segment[0], [])
        for part in "".join(segment[place : place + 1]).split("~")
    }


def known(root: Path) -> set[tuple[str, str]]:
    return {
        (row["site"], row.get(name))
        for stream, names in KNOWN.items()
        for row in truth(root, stream)
        for name in names
    }


def test_every_id_is_in_the_truth(root: Path, messages: list[Message]) -> None:
    found = ids(messages)
    assert found - known(root) == {(site, "") for site in ZONES}
    assert len(found) > 3000


@pytest.mark.long
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**40))
def test_every_id_is_in_the_truth_whatever_the_seed(seed: int) -> None:
    with TemporaryDirectory() as place:
        root = write(Path(place) / "out", "hl7", patients=9, seed=seed, defects=0)
        assert ids(list(received(root))) - known(root) <= {(site, "") for site in ZONES}


def test_a_patient_is_who_the_site_believes_them_to_be(root: Path, messages: list[Message]) -> None:
    known = {(row["site"], row["mrn"]): row for row in truth(root, "registration")}
    flaws = set()
    for one in messages:
        row = known[one.site, one.field("PID", 3)]
        assert one.field("PID", 5) == row["family"]
        assert one.field("PID", 5, component=2) == row["given"]
        assert one.field("PID", 7) == row["born"].replace("-", "")
        flaws |= set(row["flaws"])
    assert {"typo", "nickname", "missing_ssn"} <= flaws


def test_adt_says_when_people_come_move_and_go(root: Path, messages: list[Message]) -> None:
    resent = {
        (row["site"], row["control_id"]) for row in truth(root, "message") if row["is_resend"]
    }
    told: dict[tuple[str, str], list] = defaultdict(list)
    for one in messages:
        if one.event in ("A01", "A02", "A03", "A04") and not (
            (one.site, one.control) in resent
            and any(one.data == data for *_, data in told[one.site, one.field("PV1", 19)])
        ):
            when = time(one.site, one.field("EVN", 6))
            told[one.site, one.field("PV1", 19)].append(
                (one.event, when, one.field("PV1", 3), one.data)
            )
    for row in truth(root, "encounter"):
        if row["start"] > WHOLE:
            continue
        wards, found = row["wards"], told[row["site"], row["visit_number"]]
        start, end = datetime.fromisoformat(row["start"]), datetime.fromisoformat(row["end"])
        events = {
            "IMP": ["A01", *["A02"] * (len(wards) - 1), "A03"],
            "EMER": ["A04", "A03"],
            "AMB": ["A04"],
        }
        assert [event for event, *_ in found] == events[row["setting"]]
        whens = [start, *(datetime.fromisoformat(ward["start"]) for ward in wards[1:]), end]
        assert [when for _, when, *_ in found] == whens[: len(found)]
        places = [ward["ward"].upper() for ward in wards] or ["CLINIC"]
        assert [place for *_, place, _ in found] == [*places, places[-1]][: len(found)]


def test_messages_are_numbered_in_the_order_in_which_they_are_written(
    messages: list[Message],
) -> None:
    seen: set[tuple[str, str]] = set()
    last: dict[tuple[str, str], tuple[str, datetime]] = {}
    for one in messages:
        if (one.file, one.control) in seen:
            continue
        seen.add((one.file, one.control))
        key, number = (one.file, one.control[:-4]), (one.control, one.at)
        assert key not in last or (last[key][0] < number[0] and last[key][1] <= number[1])
        last[key] = number


def test_a_feed_is_in_the_order_of_time_whoever_is_meant(
    root: Path, messages: list[Message]
) -> None:
    again = Counter(
        (row["file"], row["control_id"]) for row in truth(root, "message") if row["is_resend"]
    )
    last: dict[str, datetime] = {}
    people: dict[str, set[str]] = defaultdict(set)
    for one in messages:
        if again[one.file, one.control]:
            continue
        stream = one.file.partition(".")[0]
        assert last.get(stream, one.at) <= one.at
        last[stream] = one.at
        people[stream].add(one.field("PID", 3))
    assert min(map(len, people.values())) > 20
    told = [(row["site"], row["type"][:3], row["at"]) for row in truth(root, "message")]
    by_stream = defaultdict(list)
    for site, stream, at in told:
        by_stream[site, stream].append(at)
    assert all(times == sorted(times) for times in by_stream.values())


def test_results_come_after_their_order_and_in_the_order_of_their_states(
    messages: list[Message],
) -> None:
    ordered = {(one.site, one.field("ORC", 2)): one.at for one in messages if one.event == "O01"}
    states: dict[tuple[str, str], list] = defaultdict(list)
    for one in messages:
        if one.event == "R01":
            assert ordered[one.site, one.field("OBR", 2)] < one.at
            states[one.site, one.field("OBR", 3)].append((one.at, one.field("OBR", 25)))
    found = {"".join(dict.fromkeys(state for _, state in sorted(told))) for told in states.values()}
    assert {"F", "PF", "FC"} <= found <= {"F", "PF", "FC", "PFC", "P"}


def test_a_corrected_result_was_wrong_before(root: Path, messages: list[Message]) -> None:
    panels: dict[tuple[str, str], dict[str, Message]] = defaultdict(dict)
    for one in messages:
        if one.event == "R01":
            panels[one.site, one.field("OBR", 3)][one.field("OBR", 25)] = one
    links = {(row["site"], row["id"]): row["accession"] for row in truth(root, "link")}
    rows = [row for row in truth(root, "change") if row["kind"] == "result_corrected"]
    assert len(rows) > 5
    for row in rows:
        panel, _, place = row["target"].rpartition("-")
        told = panels[row["site"], links[row["site"], panel]]
        before, after = (told[state].named("OBX")[int(place) - 1] for state in ("F", "C"))
        assert (before[11], after[11]) == ("F", "C")
        assert int(before[5].replace(".", "")) == row["value"] != int(after[5].replace(".", ""))
        assert told["C"].at == datetime.fromisoformat(row["at"])


EVENTS = {
    "encounter_deleted": "A11",
    "encounter_moved": "A45",
    "encounter_reclassified": "A08",
    "address_corrected": "A08",
    "patient_resent": "A08",
    "patient_merged": "A40",
    "patient_unmerged": "A37",
}


def test_what_sites_change_later_is_told(root: Path, messages: list[Message]) -> None:
    told = {
        (one.site, one.event, one.at, part.partition("^")[0])
        for one in messages
        if one.event in EVENTS.values()
        for segment in one.segments
        for part in {"PID": segment[3:4], "MRG": segment[1:2], "PV1": segment[19:20]}.get(
            segment[0], [""]
        )
        for part in "".join(part).split("~")
    }
    names = {(row["site"], row["patient"]): row["mrn"] for row in truth(root, "registration")}
    names |= {
        (row["site"], row["encounter"]): row["visit_number"] for row in truth(root, "encounter")
    }
    rows = [row for row in truth(root, "change") if row["kind"] in EVENTS and row["export"] <= 3]
    assert {row["kind"] for row in rows} == set(EVENTS)
    for row in rows:
        when = datetime.fromisoformat(row["at"])
        assert (row["site"], EVENTS[row["kind"]], when, names[row["site"], row["target"]]) in told


def test_a_stay_that_is_charted_for_somebody_else_is_moved(
    root: Path, messages: list[Message]
) -> None:
    rows = [row for row in truth(root, "change") if row["kind"] == "encounter_moved"]
    mrns = {(row["site"], row["patient"]): row["mrn"] for row in truth(root, "registration")}
    visits = {(row["site"], row["encounter"]): row for row in truth(root, "encounter")}
    assert rows
    for row in rows:
        visit = visits[row["site"], row["target"]]
        told = [
            one
            for one in messages
            if one.site == row["site"] and one.field("PV1", 19) == visit["visit_number"]
        ]
        wrong, right = mrns[row["site"], row["other"]], mrns[row["site"], visit["patient"]]
        assert {one.field("PID", 3) for one in told if one.event != "A45"} == {wrong}
        assert {
            (one.field("MRG", 1), one.field("PID", 3)) for one in told if one.event == "A45"
        } == {(wrong, right)}


def test_a_message_that_comes_again_is_the_same(root: Path, messages: list[Message]) -> None:
    rows = [row for row in truth(root, "message") if row["is_resend"]]
    found = defaultdict(list)
    for one in messages:
        found[one.file, one.control].append(one.data)
    again = Counter((row["file"], row["control_id"]) for row in rows)
    assert len(again) > 20
    for key, data in found.items():
        assert len(data) == 1 + again[key]
        assert len(set(data)) == 1
    stale = {row["target"] for row in truth(root, "change") if row["kind"] == "patient_stale"}
    assert stale
    assert stale <= {row["patient"] for row in rows}


@pytest.mark.parametrize("site", ZONES)
def test_results_come_in_batches_that_count(root: Path, site: str) -> None:
    lines = re.split(
        r"[\r\n]", (root / "hl7" / site / "oru.000.hl7").read_bytes().decode("latin-1").rstrip()
    )
    assert lines[0].startswith("FHS|^~\\&|RESULTS|")
    assert "HTEST: synthetic" in lines[0]
    n_batches, n_messages = 0, 0
    for line in lines:
        n_messages += line.startswith("MSH|")
        if line.startswith("BTS|"):
            assert line == f"BTS|{n_messages}"
            n_batches, n_messages = n_batches + 1, 0
    assert lines[-1] == f"FTS|{n_batches}"
    assert n_batches > 20


def test_each_site_ends_segments_in_both_ways(root: Path) -> None:
    ends = {
        site: [
            set(re.findall(rb"[\r\n]", (root / "hl7" / site / f"{name}.000.hl7").read_bytes()))
            for name in STREAMS
        ]
        for site in ZONES
    }
    assert ends == {
        "north": [{b"\r"}, {b"\r"}, {b"\n"}, {b"\n"}],
        "south": [{b"\n"}, {b"\n"}, {b"\r"}, {b"\r"}],
    }


def test_both_character_sets_are_used_where_they_do(messages: list[Message]) -> None:
    used = {(one.site, one.field("MSH", 18)) for one in messages if not one.data.isascii()}
    assert used == {("north", "UNICODE UTF-8"), ("south", "UNICODE UTF-8"), ("south", "8859/1")}


def test_free_text_has_every_escape(messages: list[Message]) -> None:
    found = {
        escaped
        for one in messages
        for escaped in re.findall(r"\\[A-Z.][A-Za-z0-9]*\\", one.text.partition("\r")[2])
    }
    assert found == {"\\T\\", "\\F\\", "\\S\\", "\\R\\", "\\E\\", "\\X0D0A\\", "\\.br\\"}


@settings(max_examples=25)
@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=30))
def test_the_library_reads_any_text_back(text: str) -> None:
    message = hl7.parse(f"MSH|^~\\&|A|B|||20260101||ADT^A08|1|T|2.5.1\rZZZ|{escape(text)}|\r")
    assert message.unescape(str(message.segment("ZZZ")[1])) == text


def differences(one: Message) -> Iterator[str]:
    """Where the library sees another message than we do."""
    parsed = hl7.parse(one.text)
    if [[str(field) for field in segment] for segment in parsed][1:] != one.segments[1:]:
        yield f"{one.control}: fields"
    if str(parsed["MSH.10"]) != one.control or str(parsed["MSH.F9.R1.C2"]) != one.event:
        yield f"{one.control}: header"


def test_the_library_reads_some_messages_as_we_do(messages: list[Message]) -> None:
    chosen = list({(one.site, one.event): one for one in messages}.values())
    assert len(chosen) > 20
    assert [found for one in chosen for found in differences(one)] == []


@pytest.mark.long
def test_the_library_reads_every_message_and_batch_as_we_do(
    root: Path, messages: list[Message]
) -> None:
    assert [found for one in messages for found in differences(one)] == []
    for site in ZONES:
        text = (
            (root / "hl7" / site / "oru.000.hl7").read_bytes().decode("latin-1").replace("\n", "\r")
        )
        assert sum(len(batch) for batch in hl7.parse_file(text)) == text.count("\rMSH|")


def test_what_is_broken_is_broken_as_the_truth_says(tmp_path: Path) -> None:
    root = write(tmp_path / "out", "hl7", defects=10_000)
    rows = defects(root)
    assert {row["kind"] for row in rows} == {
        "truncated",
        "wrong_charset",
        "escaped_delimiters",
        "impossible_time",
    }
    assert len({row["person"] for row in rows}) == 42
    kinds = {(row["file"], row["target"]): row["kind"] for row in rows}
    # of a message that comes twice, one is whole
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for one in received(root):
        found[one.file, one.control] |= set(broken(one))
    assert {key: names for key, names in found.items() if names} == {
        key: {name} for key, name in kinds.items()
    }


def broken(one: Message) -> Iterator[str]:
    if b"\rZSY|" not in one.data:
        yield "truncated"
    if one.data.startswith(b"MSH|^~\\\\&|"):
        yield "escaped_delimiters"
    if one.field("MSH", 7)[4:8] == "1345":
        yield "impossible_time"
    elif any(
        "�" in part or "Ã" in part or "á»" in part or "Å" in part
        for segment in one.segments
        for part in segment
    ):
        yield "wrong_charset"
