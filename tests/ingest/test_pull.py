"""A feed that is pulled: whatever its server does, an export arrives whole and once, or not at all."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lakehouse.errors import LakehouseError, PolicyError, QualityError, SpecError, StoreError
from lakehouse.ingest.bulk.pull import pull
from lakehouse.ingest.bulk.wire import Patience
from lakehouse.ingest.manifest import Manifest, read_manifest
from lakehouse.ingest.receive import Received, receive
from lakehouse.stack.certificates import make
from lakehouse.storage.lake import Lake
from tests.ingest.ehr import CANARY, Ehr, Fault, breaks, cuts, gives, says, serving, stalls
from tests.ingest.site import RECORDS, Site, as_client
from tests.workbench import (
    day,
    deletion,
    ingest,
    lines,
    patient,
    pulse,
    rows,
)

pytestmark = pytest.mark.long

LONG = [pulse(f"o{number}", day(3)) for number in range(400)]


def test_an_export_lands_as_one_claim_with_the_servers_time(site: Site) -> None:
    assert site.pull().files == 4
    assert sorted(site.inbox_files()) == [
        "export-20260120T000000Z/Encounter.0002.ndjson",
        "export-20260120T000000Z/Observation.0001.ndjson",
        "export-20260120T000000Z/Patient.0000.ndjson",
        "export-20260120T000000Z/manifest.json",
    ]
    assert ingest(site.lake).good == len(RECORDS)
    ledger = rows(site.lake, "landing.ledger")
    assert {row["export_at"] for row in ledger} == {datetime(2026, 1, 20, tzinfo=UTC)}
    assert sum(row["is_manifest"] for row in ledger) == 1


def test_the_first_export_is_full_and_the_next_asks_for_what_changed_since_the_servers_time(
    site: Site, ehr: Ehr
) -> None:
    assert site.take() == len(RECORDS)
    ehr.at = "2026-01-22T02:00:00.500+02:00"
    ehr.resources = [*RECORDS, patient("p1", day(21), gender="male")]
    assert site.take() == 1
    ehr.at = day(30)
    assert site.pull() == Received()
    assert [query.get("_since") for _, query in ehr.asked] == [
        None,
        [day(20)],
        ["2026-01-22T02:00:00.500+02:00"],
    ]


def test_an_export_of_nothing_new_lands_nothing_and_moves_the_time_on(site: Site, ehr: Ehr) -> None:
    site.take()
    ehr.at = day(25)
    assert (site.take(), site.inbox_files()) == (0, {})
    site.take()
    assert ehr.asked[-1][1]["_since"] == [day(25)]


def test_what_the_server_deleted_is_deleted_from_its_time(site: Site, ehr: Ehr) -> None:
    site.take()
    ehr.deleted, ehr.at = [deletion("Patient/p1"), deletion("Encounter/e1")], day(25)
    assert site.take() == 2
    gone = [row for row in rows(site.lake, "bronze.fhir_resource") if row["is_deleted"]]
    assert sorted(row["resource_id"] for row in gone) == ["north/e1", "north/p1"]
    assert {row["version_at"] for row in gone} == {datetime(2026, 1, 25, tzinfo=UTC)}


@pytest.mark.parametrize(
    ("keys", "level", "types"),
    [
        ("", "", None),
        ('of = "Patient"', "/Patient", None),
        ('of = "Group/g-1"\ntypes = ["Patient", "Encounter"]', "/Group/g-1", ["Patient,Encounter"]),
    ],
)
def test_it_asks_for_the_level_and_the_types_of_the_stanza(
    site: Site, ehr: Ehr, keys: str, level: str, types: list[str] | None
) -> None:
    site.keys = keys
    site.take()
    ((asked, query),) = ehr.asked
    assert (asked, query.get("_type")) == (level, types)
    (headers,) = [told for step, told in ehr.seen if step == "kickoff"]
    assert headers["Prefer"] == "respond-async"


@pytest.mark.parametrize("change", ['types = ["Patient"]', 'of = "Patient"'])
def test_another_question_begins_with_everything_again(site: Site, ehr: Ehr, change: str) -> None:
    site.take()
    site.keys = change
    site.take()
    assert "_since" not in ehr.asked[-1][1]


def test_everything_is_asked_for_again_when_one_wants_it_or_the_stanza_does(
    site: Site, ehr: Ehr
) -> None:
    site.take()
    site.pull(full=True)
    assert "_since" not in ehr.asked[-1][1]
    site.keys = 'full_every = "7 days"'  # the server's clock stands in the past
    site.pull()
    assert "_since" not in ehr.asked[-1][1]
    site.keys = 'full_every = "40000 days"'
    site.pull()
    assert "_since" in ehr.asked[-1][1]


@pytest.mark.parametrize(
    ("keys", "counts", "is_complete"),
    [
        ("", lambda count: count, True),
        ('types = ["Patient"]', lambda count: count, True),
        ("", lambda count: None, False),
        ('of = "Patient"', lambda count: count, False),
    ],
)
def test_the_landed_manifest_tells_whether_all_records_are_there(
    site: Site, ehr: Ehr, keys: str, counts: Any, is_complete: bool
) -> None:
    site.keys, ehr.counts = keys, counts
    site.pull()
    (path,) = site.inbox.glob("export-*/manifest.json")
    told = read_manifest(path)
    assert told
    assert (told.is_complete, told.types) == (
        is_complete,
        frozenset({"Patient"}) if "Patient" in keys and "types" in keys else frozenset(),
    )
    assert {item["count"] for item in site.manifest()["output"]} <= {1, 2}
    ingest(site.lake)
    ehr.resources, ehr.at = [*RECORDS, patient("p9", day(22))], day(25)
    site.pull()
    (path,) = site.inbox.glob("export-*/manifest.json")
    assert read_manifest(path) == Manifest(
        datetime(2026, 1, 25, tzinfo=UTC), frozenset({"Patient.0000.ndjson"}), False, told.types
    )


SURVIVED: list[tuple[str, dict[str, list[Fault]]]] = [
    ("too many requests", {step: [says(429)] * 3 for step in ("kickoff", "status", "file")}),
    ("an error that passes", {step: [says(500), says(503)] for step in ("kickoff", "status", "file")}),
    ("a connection that is lost", {"kickoff": [cuts(0)], "status": [cuts(0, reset=True)]}),
    ("a file cut off", {"file": [cuts(7), cuts(60), cuts(0), cuts(3)]}),
    ("a connection reset within a file", {"file": [cuts(11, reset=True)] * 3}),
    ("a file without a length that ends too early", {"file": [cuts(9, told=False)] * 3}),
    ("chunks without their end", {"file": [breaks] * 3}),
    ("a manifest cut off", {"status": [cuts(40), cuts(90, reset=True)]}),
    ("a server that stalls", {"file": [stalls, stalls], "status": [stalls]}),
    ("an export that is forgotten", {"status": [says(404)]}),
    ("an expired address", {"file": [says(403)]}),
    ("a file that is gone", {"file": [says(410)]}),
    ("a part of another place", {"file": [cuts(7), says(416)]}),
    ("a busy server at the end", {"cancel": [says(500)]}),
]  # fmt: skip


@pytest.mark.parametrize("form", ["plain", "packed", "chunked", "without a tag"])
@pytest.mark.parametrize(
    "faults", [case[1] for case in SURVIVED], ids=[case[0] for case in SURVIVED]
)
def test_what_passes_is_waited_for_and_the_export_arrives_once(
    site: Site,
    ehr: Ehr,
    faults: dict[str, list[Fault]],
    form: str,
) -> None:
    ehr.faults = {step: list(told) for step, told in faults.items()}
    ehr.packed, ehr.chunked = form == "packed", form == "chunked"
    ehr.etag = None if form == "without a tag" else ehr.etag
    assert site.pull().files == 4
    assert {step: left for step, left in ehr.faults.items() if left} == {}, "all of it happened"
    assert site.records() == RECORDS
    assert site.pull() == Received()


def without(*parts: str) -> dict[str, Any]:
    return dict.fromkeys(parts, "absent")


REFUSED: list[tuple[str, dict[str, Any], type[LakehouseError], str]] = [
    ("a full export of nothing", {"resources": []}, QualityError, "nothing in it"),
    ("a full export of empty files", {"faults": {"file": [gives(b"")] * 3}, "counts": lambda n: None}, QualityError, "nothing in it"),
    ("a count that is too high", {"counts": lambda n: n + 1}, QualityError, "has 2 records, the manifest promises 3"),
    ("a count that is too low", {"counts": lambda n: n - 1}, QualityError, "has 2 records, the manifest promises 1"),
    ("a count that is no number", {"counts": lambda n: CANARY}, QualityError, "impossible count"),
    ("a file that ends within a record", {"faults": {"file": [gives(b'{"resourceType": "Patient", "id": "')] * 3}, "counts": lambda n: None}, QualityError, "ends within a record"),
    ("a gzip without its end", {"faults": {"file": [gives(b"\x1f\x8b\x08" + bytes(9))] * 3}}, QualityError, "gzip"),
    ("a page of HTML", {"faults": {"file": [gives(b"<p>Zzyzx", Content_Type="text/html")] * 3}}, QualityError, "not sent as NDJSON"),
    ("a packing nobody asked for", {"faults": {"file": [gives(b"Zzyzx", Content_Encoding="br")] * 3}}, QualityError, "packed"),
    ("no time", {"manifest": without("transactionTime")}, QualityError, "no transactionTime"),
    ("a time that is none", {"manifest": {"transactionTime": CANARY}}, QualityError, "no transactionTime"),
    ("no list of files", {"manifest": without("output")}, QualityError, "no list of output files"),
    ("no list of errors", {"manifest": without("error")}, QualityError, "no list of error files"),
    ("no word on tokens", {"manifest": without("requiresAccessToken")}, QualityError, "token"),
    ("further pages", {"manifest": {"link": [{"relation": "next", "url": CANARY}]}}, QualityError, "further pages"),
    ("a file without address", {"manifest": {"output": [{"type": "Patient"}]}}, QualityError, "without type or address"),
    ("an address that is a file of ours", {"manifest": {"output": [{"type": "Patient", "url": f"file:///etc/{CANARY}"}]}}, QualityError, "not https"),
    ("an address in the clear at another host", {"manifest": {"output": [{"type": "Patient", "url": f"http://ehr.example/{CANARY}"}]}}, QualityError, "not https"),
    ("an address with a password", {"manifest": {"output": [{"type": "Patient", "url": f"https://{CANARY}:x@ehr.example/"}]}}, QualityError, "not https"),
    ("a manifest that is none", {"faults": {"status": [gives(CANARY.encode())]}}, QualityError, "not JSON"),
    ("errors", {"outcomes": [{"issue": [{"severity": "error", "diagnostics": CANARY}, {"severity": "fatal"}]}]}, QualityError, "reports 2 errors"),
    ("errors that cannot be read", {"outcomes": [{"what": CANARY}]}, QualityError, "reports 1 errors"),
    ("a failed export", {"faults": {"status": [says(500)] * 9}}, StoreError, "status 500"),
    ("a busy server", {"faults": {"kickoff": [says(429, Retry_After="1")] * 9}}, StoreError, "status 429"),
    ("files that are gone again and again", {"faults": {"file": [says(404)] * 9}}, StoreError, "are gone"),
    ("a file that never comes whole", {"faults": {"file": [cuts(0)] * 99}}, StoreError, "cannot be reached"),
    ("an export nobody knows", {"faults": {"kickoff": [says(400)]}}, SpecError, "answers 400"),
    ("an export at once", {"faults": {"kickoff": [says(200)]}}, SpecError, "answers 200"),
    ("no place to ask again", {"faults": {"kickoff": [says(202)]}}, QualityError, "no place to ask"),
    ("a place at another host", {"faults": {"kickoff": [says(202, Content_Location=f"https://{CANARY}/")]}}, QualityError, "no place to ask"),
    ("a kick-off that is sent elsewhere", {"faults": {"kickoff": [says(302, Location=f"https://{CANARY}/")]}}, QualityError, "elsewhere"),
    ("no right to export", {"faults": {"kickoff": [says(401)]}}, PolicyError, "does not let us"),
    ("no right to ask", {"faults": {"status": [says(403)]}}, PolicyError, "does not let us"),
    ("no right to a file", {"faults": {"file": [says(401)] * 3}}, PolicyError, "does not let us"),
]  # fmt: skip


@pytest.mark.parametrize("case", REFUSED, ids=[case[0] for case in REFUSED])
def test_what_is_not_as_promised_is_refused_whole_and_without_a_word_of_it(
    site: Site,
    ehr: Ehr,
    case: tuple[str, dict[str, Any], type[LakehouseError], str],
    capfd: pytest.CaptureFixture[str],
) -> None:
    _, behaviour, kind, words = case
    for key, value in behaviour.items():
        setattr(ehr, key, value)
    with pytest.raises(LakehouseError, match=words) as caught:
        site.pull()
    assert isinstance(caught.value, kind)
    assert site.inbox_files() == {}
    told = capfd.readouterr()
    assert CANARY not in f"{caught.value}{caught.value.__cause__}{told.out}{told.err}"
    ehr.faults, ehr.manifest, ehr.outcomes, ehr.counts = {}, {}, [], lambda count: count
    ehr.resources = RECORDS
    site.pull()
    assert site.records() == RECORDS, "the next run begins anew"


def test_an_export_of_what_changed_that_is_errors_alone_is_not_taken_for_no_change(
    site: Site, ehr: Ehr
) -> None:
    site.take()
    ehr.outcomes = [{"issue": [{"severity": "information"}]}]
    with pytest.raises(QualityError, match="errors alone"):
        site.pull()
    ehr.outcomes, ehr.manifest = [], without("error")
    with pytest.raises(QualityError, match="no list of error files"):
        site.pull()
    ehr.manifest = {}
    assert site.pull() == Received()
    assert {query["_since"][0] for _, query in ehr.asked[1:]} == {day(20)}


def test_a_server_that_was_set_back_is_not_taken_for_one_without_news(site: Site, ehr: Ehr) -> None:
    site.take()
    ehr.at = day(10)
    with pytest.raises(QualityError, match="older than the one before"):
        site.pull()
    assert site.pull(full=True).files == 4


def test_errors_that_the_stanza_allows_let_the_rest_land_but_never_as_complete(
    site: Site, ehr: Ehr
) -> None:
    ehr.outcomes = [{"issue": [{"severity": "error"}, {"severity": "warning"}]}]
    site.keys = "most_errors = 1"
    site.pull()
    (path,) = site.inbox.glob("export-*/manifest.json")
    told = read_manifest(path)
    assert told
    assert not told.is_complete
    assert ingest(site.lake).good == len(RECORDS)


def test_a_wish_of_the_server_counts_within_bounds_of_ours(site: Site, ehr: Ehr) -> None:
    ehr.polls = 3
    ehr.faults = {"kickoff": [says(429, Retry_After="7"), says(503, Retry_After="86400")]}
    site.take()
    assert site.waits == [30.0] * 3, "it said 120"
    assert site.sleeps == [7.0, 300.0]


def test_without_a_wish_the_pauses_grow_with_the_age_of_the_export() -> None:
    patience = Patience()
    ages = [0, 4, 8, 40, 10_000]
    assert [patience.before_asking(age, None) for age in ages] == [1, 1, 2, 10, 30]
    assert [patience.before_trying(n, None) for n in range(7)] == [1, 2, 4, 8, 16, 30, 30]


def test_an_export_that_takes_too_long_is_cancelled_and_the_next_run_asks_anew(
    site: Site, ehr: Ehr
) -> None:
    site.keys, ehr.polls = 'within = "1 hour"', 10**6
    lake, clock = site.lake, iter(range(0, 10**6, 600))
    patience = Patience(site.waits.append, now=lambda: float(next(clock)))
    with pytest.raises(StoreError, match="longer than it may"):
        pull(lake.settings, lake.catalog.feeds["north_ehr"], patience)
    assert ehr.count("cancel") == 1
    ehr.polls = 0
    assert site.take() == len(RECORDS)


def test_an_export_that_is_larger_than_it_may_be_is_cancelled(site: Site, ehr: Ehr) -> None:
    site.keys = 'most = "1 MiB"'
    ehr.resources = [patient(f"p{n}", day(1), note="x" * 1000) for n in range(1100)]
    with pytest.raises(QualityError, match="larger than it may be"):
        site.pull()
    assert (ehr.count("cancel"), site.inbox_files()) == (1, {})


def test_an_interrupt_cancels_the_export(site: Site, ehr: Ehr) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    lake = site.lake
    with pytest.raises(KeyboardInterrupt):
        pull(lake.settings, lake.catalog.feeds["north_ehr"], Patience(interrupt))
    assert ehr.count("cancel") == 1
    assert site.take() == len(RECORDS)
    assert len(ehr.asked) == 2


def test_a_pause_that_ends_the_process_is_gone_on_from(site: Site, ehr: Ehr) -> None:
    class LaterError(Exception):
        pass

    def later(_: float) -> None:
        raise LaterError

    lake = site.lake
    for _ in range(3):
        ehr.polls += 1
        with pytest.raises(LaterError):
            receive(lake.settings, lake.catalog.feeds["north_ehr"], later)
    assert site.take() == len(RECORDS)
    assert (len(ehr.asked), ehr.count("cancel")) == (1, 1)


def test_a_file_goes_on_where_it_was_cut_off(site: Site, ehr: Ehr) -> None:
    ehr.resources = LONG
    whole = len(lines(LONG))
    ehr.faults = {"file": [cuts(whole // 2), cuts(100)]}
    assert site.take() == len(LONG)
    ranges = [told.get("Range") for step, told in ehr.seen if step == "file"]
    assert ranges[0] is None
    assert [int(str(told).removeprefix("bytes=").removesuffix("-")) > 0 for told in ranges[1:]] == [
        True,
        True,
    ]


@pytest.mark.parametrize("etag", [None, 'W/"1"'])
def test_a_file_that_may_be_another_by_now_is_fetched_from_its_beginning(
    site: Site, ehr: Ehr, etag: str | None
) -> None:
    ehr.resources, ehr.etag = LONG, etag
    ehr.faults = {"file": [cuts(500)]}
    assert site.take() == len(LONG)
    assert not any("Range" in told for step, told in ehr.seen if step == "file")


def test_a_file_that_changed_meanwhile_is_not_joined_from_two(site: Site, ehr: Ehr) -> None:
    ehr.resources = LONG

    def cut_and_change(handler: Any, content: bytes) -> None:
        cuts(500)(handler, content)
        ehr.etag, ehr.exports["1"]["Observation.ndjson"] = '"2"', lines(reversed(LONG))

    ehr.faults = {"file": [cut_and_change]}
    site.pull()
    (content,) = (c for name, c in site.inbox_files().items() if "Observation" in name)
    assert content == lines(reversed(LONG))


def test_files_at_another_host_are_fetched_without_the_token(ehr: Ehr, site: Site) -> None:
    as_client(site)
    with serving(Ehr(RECORDS)) as other:
        ehr.elsewhere, other.exports = other.base, ehr.exports
        assert site.take() == len(RECORDS)
        assert [told for step, told in other.seen if "Authorization" in told] == []
    assert any("Authorization" in told for step, told in ehr.seen if step == "status")


def test_a_redirect_to_another_host_is_followed_without_the_token(site: Site, ehr: Ehr) -> None:
    as_client(site)
    ehr.resources = [patient("p1", day(1))]
    with serving(Ehr()) as other:
        other.exports = {"1": {"Patient.ndjson": lines(ehr.resources)}}
        place = f"{other.base}/files/1/Patient.ndjson"
        ehr.faults = {"file": [says(302, Location=place)]}
        assert site.take() == 1
        assert [told.get("Authorization") for _, told in other.seen] == [None]
    assert [bool(told.get("Authorization")) for step, told in ehr.seen if step == "file"] == [True]


def test_a_redirect_in_a_circle_ends(site: Site, ehr: Ehr) -> None:
    circle = says(302, Location=f"/files/1/{CANARY}/Patient.ndjson")
    ehr.resources, ehr.faults = [patient("p1", day(1))], {"file": [circle] * 9}
    with pytest.raises(QualityError, match="elsewhere"):
        site.pull()


def test_a_certificate_that_nobody_vouches_for_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path / "certificates")
    with serving(Ehr(RECORDS), tmp_path / "certificates") as ehr:
        site = Site(tmp_path, ehr)
        assert ehr.base.startswith("https://")
        with pytest.raises(PolicyError, match="nobody vouches"):
            site.pull()
        assert ehr.seen == []
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificates" / "ca.pem"))
        assert site.take() == len(RECORDS)


def test_the_state_of_a_pull_is_for_its_owner_only(site: Site, ehr: Ehr) -> None:
    ehr.faults = {"file": [says(401)] * 3}
    with pytest.raises(PolicyError):
        site.pull()
    state = site.inbox / ".pull" / "progress.json"
    assert CANARY in state.read_text(), "addresses are in it"
    assert (state.stat().st_mode & 0o777, state.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_a_state_that_cannot_be_read_is_not_guessed_at(site: Site) -> None:
    site.take()
    (site.inbox / ".pull" / "progress.json").write_text("{")
    with pytest.raises(StoreError, match="hint: remove it"):
        site.pull()


def test_a_feed_whose_senders_come_is_not_pulled(lake: Lake) -> None:
    assert receive(lake.settings, lake.catalog.feeds["north_ehr"]) == Received()
