"""good + unchanged + quarantined + blank = records, whatever is sent, and the rest of it is loaded."""

import gzip
import io
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse.errors import StoreError
from lakehouse.ingest.landing import land
from lakehouse.ingest.load import Batch, load, pending
from lakehouse.ingest.origin import Origin, Parsed
from lakehouse.ingest.readers import fhir
from lakehouse.storage.lake import Lake
from tests.workbench import (
    NOW,
    build_all,
    day,
    deletion,
    drop,
    ingest,
    lake_at,
    lines,
    patient,
    pulse,
    rows,
    take,
)

GOOD = lines([patient()])
ORIGIN = Origin("north_ehr", "north", 1, "0" * 64, 1, NOW, None)


def bundle(*entries: dict[str, Any], kind: str = "transaction") -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def nested(depth: int) -> bytes:
    return b'{"resourceType":"Patient","id":"deep","x":' + b"[" * depth + b"]" * depth + b"}"


def updated(text: Any) -> bytes:
    return json.dumps(
        {"resourceType": "Patient", "id": "t", "meta": {"lastUpdated": text}}
    ).encode()


# name, the bytes sent, and how many of their records are good, refused (with why) and blank
FILES: list[tuple[str, bytes, int, list[str], int]] = [
    ("nothing", b"", 0, [], 0),
    ("a resource", GOOD, 1, [], 0),
    ("no line end", GOOD.rstrip(), 1, [], 0),
    ("CRLF", GOOD.replace(b"\n", b"\r\n") + b"\r\n", 1, [], 1),
    ("blanks", b"\n \n\t\r\n" + GOOD + b"\n\n", 1, [], 5),
    ("byte order mark", b"\xef\xbb\xbf" + GOOD, 0, ["not JSON"], 0),
    ("NUL bytes", b"\x00\x00\n" + GOOD, 1, ["not JSON"], 0),
    ("UTF-16", GOOD.decode().encode("utf-16"), 0, ["not JSON", "not JSON"], 0),
    ("not UTF-8", GOOD[:-2] + b',"x":"\xff\xfe"}\n' + GOOD, 1, ["not JSON"], 0),
    ("lone surrogate", b'{"resourceType":"Patient","id":"s","x":"\\ud800"}', 0, ["not JSON"], 0),
    ("cut line", GOOD + GOOD[:20], 1, ["not JSON"], 0),
    ("an array", b"[1]\n" + GOOD, 1, ["not a JSON object"], 0),
    ("a number", b"1\n", 0, ["not a JSON object"], 0),
    ("no type", b'{"id":"a"}\n', 0, ["no resource type"], 0),
    ("odd type", b'{"resourceType":"../x","id":"a"}\n', 0, ["no resource type"], 0),
    ("no id", b'{"resourceType":"Patient"}\n', 0, ["no resource id"], 0),
    ("id a number", b'{"resourceType":"Patient","id":7}\n', 0, ["no resource id"], 0),
    ("id with a slash", b'{"resourceType":"Patient","id":"a/b"}\n', 0, ["no resource id"], 0),
    ("id with a line end", b'{"resourceType":"Patient","id":"a\\n"}\n', 0, ["no resource id"], 0),
    ("an id that FHIR does not allow", lines([patient("x\x00_" * 80)]), 1, [], 0),
    ("long id", lines([patient("x" * 256)]), 0, ["no resource id"], 0),
    *[(f"a member twice {place}", text + b"\n" + GOOD, 1, ["duplicate keys"], 0) for place, text in {
        "on top": b'{"resourceType":"Patient","id":"a","id":"b"}',
        "below": b'{"resourceType":"Patient","id":"a","x":[{"y":{"z":1,"z":1}}]}',
        "with a long value": b'{"resourceType":"Patient","id":"a","x":{"p":{"q":1}},"x":{"q":1}}',
        "in other words": b'{"resourceType":"Patient","id":"a","x":1,"\\u0078":2}',
        "beside what looks like one": b'{"resourceType":"Patient","id":"a","id":"b","x":"\\u0022:"}',
        "with room": b'{"resourceType" : "Patient", "id" : "a", "id" : "b"}',
    }.items()],
    *[(f"a member once {place}", text, 1, [], 0) for place, text in {
        "with room": b'{"resourceType" : "Patient" ,\t"id"\t: "a", "x" : 1.50}',
        "with what looks like one": b'{"resourceType":"Patient","id":"a","x":"\\":\\" :\\u0022:","y":1.0E2}',
        "in deep nests": b'{"resourceType":"Patient","id":"a","x":' + b'[{"id":' * 400 + b"1" + b"}]" * 400 + b"}",
    }.items()],
    ("an empty Bundle", lines([deletion()]), 0, ["a Bundle without entries"], 0),
    ("a Bundle that is a text", b'{"resourceType":"Bundle","entry":"x"}', 0, ["a Bundle of another shape"], 0),
    ("a Bundle without resource", b'{"resourceType":"Bundle","entry":[{"request":{"method":"PUT"}}]}', 0,
     ["a Bundle entry without resource"], 0),
    ("a Bundle in a Bundle", lines([bundle({"resource": bundle({"resource": patient()})})]), 0,
     ["a Bundle in a Bundle"], 0),
    ("a Bundle with a bad entry", lines([bundle({"resource": patient()}, {"resource": {"id": "x"}})]), 0,
     ["no resource type"], 0),
    ("a Bundle with an outcome", lines([bundle({"resource": {"resourceType": "OperationOutcome"}},
                                               {"resource": patient()})]), 1, [], 0),
    ("a delete of all", lines([deletion("Patient")]), 0, ["a deletion without type and id"], 0),
    ("a delete by search", lines([deletion("Patient?name=x")]), 0,
     ["a deletion without type and id"], 0),
    ("nesting that is deep", nested(900), 1, [], 0),
    ("nesting too deep", nested(2000), 0, ["not JSON"], 0),
    ("infinite number", b'{"resourceType":"Patient","id":"n","x":1e999}', 0, ["not JSON"], 0),
    ("not a number", b'{"resourceType":"Patient","id":"n","x":NaN}', 0, ["not JSON"], 0),
    ("a long number", b'{"resourceType":"Patient","id":"n","x":' + b"9" * 300 + b"}", 1, [], 0),
    ("one record twice", GOOD + GOOD, 2, [], 0),
    ("gzip", gzip.compress(GOOD * 2), 2, [], 0),
    ("gzip of nothing", gzip.compress(b""), 0, [], 0),
    ("gzip that ends early", gzip.compress(GOOD * 2, 0)[:-12], 1, ["gzip ends early"], 0),
    ("gzip header only", gzip.compress(b"")[:10], 0, ["gzip ends early"], 0),
    ("gzip that is broken", gzip.compress(GOOD)[:-8] + b"\xff" * 8, 1, ["gzip is corrupt"], 0),
    ("a line of 17 MiB", b'{"x":"' + b"y" * (17 * 2**20) + b'"}\n' + GOOD, 1, ["no resource type"], 0),
    ("a line of 17 MiB in short strings", b'{"x":[' + b'"y",' * (5 * 2**20) + b"0]}\n" + GOOD, 1,
     ["too long without its long strings"], 0),
    ("a line of 129 MiB", b'{"x":"' + b"y" * (129 * 2**20) + b'"}\n' + GOOD, 1, ["line is too long"], 0),
    ("a document", json.dumps(patient(), indent=2).encode(), 1, [], 0),
    ("a document of a Bundle", json.dumps(bundle({"resource": patient()}), indent=2).encode(), 1, [], 0),
    ("lines after half a document", b"{\n" + GOOD, 1, ["not JSON"], 0),
    *[(f"lastUpdated {text!r}", updated(text), 0, ["lastUpdated is not an instant"], 0)
      for text in ["", "yesterday", "2026-02-30T00:00:00Z", "2026-01-01", "2026-01-01T10:00:00", 7, [],
                   "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59Z"]],
    *[(f"lastUpdated {text!r}", updated(text), 1, [], 0)
      for text in [None, day(1), "2026-01-01T00:00:00.123456789+05:45"]],
]  # fmt: skip


def read(content: bytes) -> list[Parsed]:
    return list(fhir.read(io.BytesIO(content), ORIGIN))


@pytest.mark.parametrize(
    ("content", "good", "refused", "blank"), [case[1:] for case in FILES], ids=[c[0] for c in FILES]
)
def test_a_file_gives_its_records_and_says_why_the_others_are_refused(
    content: bytes, good: int, refused: list[str], blank: int
) -> None:
    parsed = read(content)
    reasons = [reason for part in parsed for reason in part.refused["reason"].to_pylist()]
    assert reasons == refused
    assert sum(part.blank for part in parsed) == blank
    assert sum(part.rows.num_rows for part in parsed) == good
    assert sum(part.lines for part in parsed) == good + len(refused) + blank


@pytest.mark.long
def test_every_record_of_every_file_is_accounted_for_and_what_is_good_is_built(lake: Lake) -> None:
    for name, content, *_ in FILES:
        drop(lake, "north_ehr", name.replace("/", "_"), content)
    loaded = ingest(lake)
    refused = sum((case[3] for case in FILES), [])
    assert loaded.quarantined == len(refused)
    assert loaded.blank == sum(case[4] for case in FILES)
    assert loaded.good + loaded.unchanged == sum(case[2] for case in FILES)
    assert loaded.records == loaded.good + loaded.unchanged + loaded.quarantined + loaded.blank
    waiting = rows(lake, "quarantine.north_ehr", envelope=True)
    assert Counter(row["reason"] for row in waiting) == Counter(refused)
    ids = {row["resource_id"] for row in rows(lake, "bronze.fhir_resource")}
    assert build_all(lake)["silver.patient"].rows == len(ids)


@pytest.mark.long
def test_a_refused_record_is_kept_with_the_place_where_it_stood(lake: Lake) -> None:
    content = GOOD + b"\n" + b"{broken\n" + GOOD + b"\xff"
    drop(lake, "north_ehr", "a.ndjson.gz", gzip.compress(content))
    ingest(lake)
    waiting = sorted(rows(lake, "quarantine.north_ehr", envelope=True), key=lambda r: r["_line"])
    assert [(row["_line"], row["record"]) for row in waiting] == [(3, b"{broken"), (5, b"\xff")]
    for row in waiting:
        assert content[row["_offset"] :].startswith(row["record"])


@pytest.mark.long
def test_bronze_keeps_the_record_as_it_was_written(lake: Lake) -> None:
    odd = '{ "resourceType":"Patient" , "id":"p1","x":1.50,"y":"\\u00e9\\u0000é" }'
    drop(lake, "north_ehr", "a.ndjson", odd.encode() + b"\r\n")
    ingest(lake)
    (row,) = rows(lake, "bronze.fhir_resource", envelope=True)
    assert row["resource"] == odd
    assert (row["_line"], row["_offset"], row["_received_at"]) == (1, 0, NOW)


@pytest.mark.long
def test_a_corrected_record_is_loaded_and_what_was_refused_stays_for_who_asks(lake: Lake) -> None:
    drop(lake, "north_ehr", "a.ndjson", b'{"resourceType":"Patient","id":"p1"')
    assert ingest(lake).quarantined == 1
    assert take(lake, patient()).good == 1


@pytest.mark.parametrize(
    ("reference", "owner"),
    [
        ("Patient/7", "north/7"),
        ("https://ehr.example/fhir/Patient/7", "north/7"),
        ("Patient/7/_history/2", "north/7"),
        ("Patient/", None),
        ("Patient/a b", None),
        ("Group/7", None),
        ("urn:uuid:7", None),
        ("Patient?identifier=7", None),
        (7, None),
        (None, None),
    ],
)
def test_a_record_knows_its_patient(reference: object, owner: str | None) -> None:
    (part,) = (p for p in read(lines([pulse(subject={"reference": reference})])) if p.lines)
    assert part.rows["patient_id"].to_pylist() == [owner]


LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=9),
    st.sampled_from(["Patient", "Bundle", "p1", day(1), "Patient/p1", "DELETE", "9" * 20]),
)
NAMES = st.sampled_from(
    ["resourceType", "id", "meta", "lastUpdated", "versionId", "subject", "reference", "entry"]
    + ["request", "method", "url", "x"]
)
TREES = st.recursive(
    LEAVES, lambda t: st.lists(t, max_size=3) | st.dictionaries(NAMES, t, max_size=5), max_leaves=9
)
RECORDS = st.one_of(
    st.binary(max_size=30),
    TREES.map(lambda tree: json.dumps(tree).encode()),
    st.dictionaries(NAMES, TREES, max_size=9).map(
        lambda more: json.dumps(patient() | more, ensure_ascii=False).encode(errors="surrogatepass")
    ),
)


@pytest.mark.long
@settings(max_examples=300)
@given(st.lists(RECORDS, max_size=6), st.booleans())
def test_whatever_a_line_holds_it_is_read_or_refused(records: list[bytes], packed: bool) -> None:
    content = b"\n".join(records)
    parsed = read(gzip.compress(content) if packed else content)
    total = sum(part.lines for part in parsed)
    if packed or content[:2] != b"\x1f\x8b":
        assert total == content.count(b"\n") + (not content.endswith(b"\n") and content != b"")
    held = {line for part in parsed for line in part.rows["_line"].to_pylist()}
    refused = {line for part in parsed for line in part.refused["_line"].to_pylist()}
    assert not held & refused
    assert len(held) + len(refused) + sum(part.blank for part in parsed) == total


@pytest.mark.long
@settings(max_examples=3)
@given(st.lists(st.lists(RECORDS, max_size=9), min_size=5, max_size=9))
def test_whatever_is_loaded_the_sums_hold_and_silver_can_be_built(files: list[list[bytes]]) -> None:
    with TemporaryDirectory() as folder:
        lake = lake_at(Path(folder))
        for number, records in enumerate(files):
            drop(lake, "north_ehr", f"{number}.ndjson", GOOD + b"\n".join(records) + b"\n")
        loaded = ingest(lake)
        parts = loaded.good + loaded.unchanged + loaded.quarantined + loaded.blank
        assert loaded.records == parts == sum(b"\n".join(r).count(b"\n") + 2 for r in files)
        assert build_all(lake, ["silver.patient"])["silver.patient"].rows >= 1


@pytest.mark.long
def test_batches_are_loaded_in_the_order_of_the_ledger(tmp_path: Path) -> None:
    lake = lake_at(tmp_path)
    small = replace(lake.catalog.feeds["north_ehr"], batch_bytes=1)
    for number in range(4):
        drop(lake, "north_ehr", f"{number}.ndjson", [patient(name=number)])
    land(lake, small)
    batches = pending(lake, small)
    assert [(batch.first, batch.last) for batch in batches] == [(1, 1), (2, 2), (3, 3), (4, 4)]
    assert [Batch.from_json(json.loads(json.dumps(b.to_json()))) for b in batches] == batches
    with pytest.raises(StoreError, match="earlier batch"):
        load(lake, batches[2])
    for batch in [*batches, *batches]:
        load(lake, batch)
    assert len(rows(lake, "bronze.fhir_resource")) == 4
    assert pending(lake, small) == []


@pytest.mark.parametrize("number", [200, pytest.param(10_000, marks=pytest.mark.long)])
def test_many_small_files_are_one_claim_and_a_few_batches(lake: Lake, number: int) -> None:
    folder = lake.settings.inbox / "north_ehr" / "many"
    folder.mkdir(parents=True)
    for place in range(number):
        (folder / f"{place}.ndjson").write_bytes(lines([patient(f"p{place}")]))
    loaded = ingest(lake)
    assert (loaded.records, loaded.good) == (number, number)
    assert len(lake.open("landing.ledger").history()) == 2
    assert len(lake.open("bronze.fhir_resource").files()) <= 5
