"""What is kept of a record is what was sent, and where each stood can be found again."""

import gzip
import hashlib
import io
import json
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse.ingest import json_text
from lakehouse.ingest.json_text import Refusal, parse
from lakehouse.ingest.origin import Origin
from lakehouse.ingest.readers import fhir

ORIGIN = Origin("north_ehr", "north", 1, "0" * 64, 1, datetime(2026, 1, 1, tzinfo=UTC), None)
SYNTHEA = Path(__file__).resolve().parents[3] / "shared" / "data" / "fhir" / "synthea600"
UUID = "urn:uuid:0e6f4ba2-6f0a-4c5e-9a4b-5c8a8a2b3c4d"


def read(content: bytes) -> list[dict[str, Any]]:
    return [row for part in fhir.read(io.BytesIO(content), ORIGIN) for row in part.rows.to_pylist()]


def kept(content: bytes) -> list[str]:
    return [row["resource"] for row in read(content)]


def hashes(*texts: str) -> list[bytes]:
    return [row["content_hash"] for row in read("\n".join(texts).encode())]


def test_a_record_is_kept_to_the_letter() -> None:
    sent = '{"resourceType":"Basic", "id":"a","x":[1.50,1e3,-0,"\\u00e9\\/"] }'
    assert kept(f"  {sent}\r\n".encode()) == [sent]


# two texts, and whether their content is the same
CONTENTS = [
    (
        '{"resourceType":"Basic","id":"a","x":1.5}',
        '{"resourceType":"Basic","id":"a","x":1.50}',
        False,
    ),
    (
        '{"resourceType":"Basic","id":"a","meta":{"versionId":"1","lastUpdated":"2026-01-01T00:00:00Z","profile":[]}}',
        '{"resourceType":"Basic","id":"a","meta":{"versionId":"2","lastUpdated":"2026-01-02T00:00:00Z","profile":[]}}',
        True,
    ),
    (
        '{"resourceType":"Basic","id":"a","meta":{"versionId":"1"},"x":{"versionId":"1"}}',
        '{"resourceType":"Basic","id":"a","meta":{"versionId":"2"},"x":{"versionId":"1"}}',
        True,
    ),
    (
        '{"resourceType":"Basic","id":"a","meta":{"versionId":"1"},"x":{"versionId":"1"}}',
        '{"resourceType":"Basic","id":"a","meta":{"versionId":"1"},"x":{"versionId":"2"}}',
        False,
    ),
    (
        '{"resourceType":"Basic","id":"a","x":{"versionId":"1"},"meta":{"tag":[]}}',
        '{"resourceType":"Basic","id":"a","x":{"versionId":"2"},"meta":{"tag":[]}}',
        False,
    ),
    (
        '{"resourceType":"Basic","id":"a","meta":{"versionId":"1"},"x":"\\"versionId\\":\\"1\\""}',
        '{"resourceType":"Basic","id":"a","meta":{"versionId":"2"},"x":"\\"versionId\\":\\"1\\""}',
        True,
    ),
]


@pytest.mark.parametrize(("first", "second", "same"), CONTENTS)
def test_content_is_all_but_the_records_own_version(first: str, second: str, same: bool) -> None:
    one, other = hashes(first, second)
    assert (one == other) is same


def test_a_bundle_gives_its_resources_as_sent_with_references_that_hold_outside_of_it() -> None:
    sent = (
        '{"resourceType":"Bundle","type":"transaction","entry":['
        f'{{"fullUrl":"{UUID}","resource":{{"resourceType":"Patient", "x":1.50}}}},'
        '{"fullUrl":"urn:uuid:0","resource":{"resourceType":"Observation","id":"o",'
        f'"subject":{{"reference" : "{UUID}"}},"x":{{"reference":"urn:uuid:9"}},"v":"{UUID}"}}}},'
        '{"request":{"method":"DELETE","url":"Observation/gone"}}]}'
    )
    key = UUID.rpartition(":")[2]
    first, second, third = read(sent.encode())
    assert first["resource"] == f'{{"id":"{key}","resourceType":"Patient", "x":1.50}}'
    assert second["resource"] == (
        f'{{"resourceType":"Observation","id":"o","subject":{{"reference" : "Patient/{key}"}},'
        f'"x":{{"reference":"urn:uuid:9"}},"v":"{UUID}"}}'
    )
    assert (first["patient_id"], second["patient_id"]) == (f"north/{key}", f"north/{key}")
    assert (third["resource_id"], third["is_deleted"]) == ("north/gone", True)
    assert [row["_entry"] for row in (first, second, third)] == [0, 1, 2]
    assert {row["_line"] for row in (first, second, third)} == {1}


def test_a_name_in_a_bundles_address_never_breaks_out_of_its_text() -> None:
    hostile = 'urn:uuid:x\\"},{\\"y'
    sent = (
        '{"resourceType":"Bundle","entry":[{"fullUrl":"' + hostile + '","resource":'
        '{"resourceType":"Basic"}}]}'
    )
    (row,) = read(sent.encode())
    assert json.loads(row["resource"])["id"] == 'x"},{"y'


def test_of_a_line_that_is_too_long_the_long_strings_are_kept_by_hash_and_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(json_text, "LONGEST_TEXT", 200)
    monkeypatch.setattr(fhir, "LONGEST_TEXT", 200)
    monkeypatch.setattr(json_text, "LONGEST_STRING", 50)
    data = "A" * 100 + '\\"\\\\' + "B" * 50
    long = f'{{"resourceType":"Binary","id":"b","n":1.50,"data":"{data}"}}'
    short = '{"resourceType":"Basic","id":"s"}'
    content = f"{short}\n{long}\n".encode()
    _, row = read(content)
    digest = hashlib.sha256(data.encode()).hexdigest()
    assert row["resource"] == (
        f'{{"resourceType":"Binary","id":"b","n":1.50,"data":"omitted:sha256:{digest}:{len(data)}"}}'
    )
    assert row["_omitted"] == 1
    assert content[row["_offset"] :][: row["_length"]] == long.encode()
    assert read(long.replace("A", "C", 1).encode())[0]["content_hash"] != row["content_hash"]


@pytest.fixture
def short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is 16 MiB and 1 MiB, is 200 and 50 bytes."""
    for module in (json_text, fhir):
        monkeypatch.setattr(module, "LONGEST_TEXT", 200)
    monkeypatch.setattr(json_text, "LONGEST_STRING", 50)
    monkeypatch.setattr(json_text, "_PIECE", 20)


LONG = "x" * 60
BASIC = '{"resourceType":"Basic","id":"b","x":"%s","y":"%s"}'
FAULTS = [
    (BASIC % (LONG, "y" * 200), None),
    (BASIC % (LONG + "\\ud83d\\ude00" * 20 + "\\n" * 30, LONG + "é😀" * 20), None),
    (BASIC % (LONG, LONG + "\\q" + LONG), "not JSON"),
    (BASIC % (LONG, LONG + "\\ud83d" + LONG), "not JSON"),
    (BASIC % (LONG, LONG + "\t" + LONG), "not JSON"),
    (BASIC % (LONG, LONG * 2) + "}", "not JSON"),
    (BASIC % (LONG, LONG * 2) + '"', "not JSON"),
    (
        '{"resourceType":"Basic","id":"b","x":[' + "1.50," * 50 + "2]}",
        "too long without its long strings",
    ),
    ('{"resourceType":"Basic","id":"b","x":[' + "1.50," * 50 + "]}", "not JSON"),
    ('{"id":"b","id":"c","x":"' + LONG * 3 + '"}', "duplicate keys"),
]


@pytest.mark.parametrize(("line", "reason"), FAULTS)
def test_a_line_that_is_too_long_is_judged_as_strictly_as_any(
    short_limits: None, line: str, reason: str | None
) -> None:
    assert len(line) > json_text.LONGEST_TEXT
    (parsed,) = fhir.read(io.BytesIO(line.encode()), ORIGIN)
    assert parsed.refused["reason"].to_pylist() == ([reason] if reason else [])
    assert parsed.rows.num_rows == (0 if reason else 1)


def test_text_that_is_not_utf8_is_none_of_json_however_long(short_limits: None) -> None:
    line = (BASIC % (LONG, LONG * 3)).encode().replace(b"y" * 5, b"\xff" * 5)
    broken = line[:-20] + b"\xff" + line[-20:]
    (parsed,) = fhir.read(io.BytesIO(broken), ORIGIN)
    assert parsed.refused["reason"].to_pylist() == ["not JSON"]


ENTRY = '{"fullUrl":"urn:uuid:%d","resource":{"resourceType":"Basic","id":"b%d","v":1.50%s}}'
BUNDLE = '{"resourceType":"Bundle", "entry":[ %s ,%s], "type":"batch"}'
POINTER = ',"subject":{"reference":"urn:uuid:1"}'


def test_a_bundle_that_is_too_long_gives_its_resources_like_any(short_limits: None) -> None:
    entries = [ENTRY % (number, number, POINTER) for number in range(9)]
    sent = BUNDLE % (" , ".join(entries), ENTRY % (9, 9, f',"x":"{LONG * 4}"'))
    rows = read(sent.encode())
    assert [row["resource_id"] for row in rows] == [f"north/b{number}" for number in range(10)]
    assert rows[0]["resource"] == (
        '{"resourceType":"Basic","id":"b0","v":1.50,"subject":{"reference":"Basic/b1"}}'
    )
    assert [row["_omitted"] for row in rows] == [0] * 9 + [1]


@pytest.mark.parametrize(
    ("last", "behind", "reason"),
    [
        (ENTRY % (9, 9, ',"v":2'), "", "duplicate keys"),
        (ENTRY % (9, 9, ',"x":[1,]'), "", "not JSON"),
        (ENTRY % (9, 9, ',"x":[' + "1.50," * 50 + "2]"), "", "too long without its long strings"),
        (ENTRY % (9, 9, ""), ',"entry":[]', "too long without its long strings"),
        (ENTRY % (9, 9, ""), ',"type":"batch","type":"batch"', "duplicate keys"),
        (ENTRY % (9, 9, "") + "," + ENTRY[:-1] % (10, 9, ""), "", "not JSON"),
        ('{"request":{"method":"GET"}}', "", "a Bundle entry without resource"),
    ],
)
def test_a_bundle_that_is_too_long_is_judged_as_strictly_as_any(
    short_limits: None, last: str, behind: str, reason: str
) -> None:
    entries = ",".join(ENTRY % (number, number, POINTER) for number in range(9))
    sent = (BUNDLE % (entries, last)).replace(', "type":"batch"', behind)
    (parsed,) = fhir.read(io.BytesIO(sent.encode()), ORIGIN)
    assert parsed.refused["reason"].to_pylist() == [reason]


texts = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.sampled_from(["", '"', '":', '" :', "é", "\\"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=12,
)


def told(value: Any, twice: list[int], room: str) -> str:
    """JSON of a value; where `twice` says so, a member stands once more."""
    if isinstance(value, list):
        return "[" + ",".join(told(item, twice, room) for item in value) + "]"
    if not isinstance(value, dict):
        return json.dumps(value)
    members = [f'"{name}"{room}:{told(item, twice, room)}' for name, item in value.items()]
    if members and twice and twice.pop():
        members.append(members[0])
    return "{" + ",".join(members) + "}"


@pytest.mark.long
@settings(max_examples=300, deadline=None)
@given(
    texts, st.lists(st.integers(0, 1), max_size=4), st.sampled_from(["", " ", "\t"]), st.booleans()
)
def test_a_member_that_stands_twice_is_seen_at_any_depth(
    value: Any, twice: list[int], room: str, escaped: bool
) -> None:
    text = told({"x": value, "y": "\\u0022:" if escaped else "z"}, twice, room)
    if has_twice(text):
        with pytest.raises(Refusal, match="duplicate keys"):
            parse(text.encode())
    else:
        assert parse(text.encode()) == json.loads(text)


def has_twice(text: str) -> bool:
    found: list[bool] = []

    def look(pairs: list[tuple[str, Any]]) -> None:
        found.append(len({name for name, _ in pairs}) < len(pairs))

    json.loads(text, object_pairs_hook=look)
    return any(found)


@pytest.mark.long
@pytest.mark.skipif(not SYNTHEA.is_dir(), reason="the public export synthea600 is not here")
def test_a_dirty_file_gives_all_that_is_good_and_the_place_of_each_fault() -> None:
    with gzip.open(SYNTHEA / "Observation.ndjson.gz") as stream:
        sent = [line.rstrip(b"\n") for line in islice(stream, 1000)]
    faults: dict[int, bytes] = {
        10: b'{"resourceType":"Observation","id":"bad-trunc","status":"fin',
        20: b"",
        30: b"not json at all",
        40: b'{"resourceType":"Observation","id":"unk","zzz":{"deep":[1,{"a":2}]}}',
        50: b'{"resourceType":"Observation","id":"het","code":"x","valueQuantity":[{"value":"12"}]}',
        60: b'{"resourceType":"Observation","id":"numstr","valueQuantity":{"value":"abc"}}',
        70: b'{"resourceType":"Observation","id":"dup","id":"dup2","status":"final"}',
        80: b'{"resourceType":"Observation","id":"bad\xff\xfeutf8","status":"final"}',
        90: b"[1,2,3]",
        100: b'{"resourceType":"Observation","id":"two"}{"resourceType":"Observation"}',
        110: b'{"resourceType":"Observation","id":"big","valueString":"' + b"x" * 10**8 + b'"}',
        120: sent[120] + b"\r",
        130: b'{"resourceType":"Observation","id":"nul\\u0000x","status":"final"}',
    }
    for place, fault in faults.items():
        sent[place] = fault
    content = b"\n".join(sent) + b"\n"
    parsed = list(fhir.read(io.BytesIO(content), ORIGIN))
    refused = [row for part in parsed for row in part.refused.to_pylist()]
    assert [row["_line"] for row in refused] == [11, 31, 71, 81, 91, 101]
    for row in refused:
        assert content[row["_offset"] :].startswith(sent[row["_line"] - 1] + b"\n")
    assert sum(part.rows.num_rows for part in parsed) == 993
    assert sum(part.blank for part in parsed) == 1
