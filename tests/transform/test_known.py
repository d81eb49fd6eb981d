"""What was known when: the lake equals a model that keeps a dict a record, whatever arrives in what order."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from lakehouse.govern.question import When, ask
from lakehouse.storage.lake import Lake
from tests.ingest.test_reconcile import complete
from tests.transform.test_histories import care
from tests.workbench import (
    NOW,
    Resource,
    build_all,
    day,
    deletion,
    drop,
    ingest,
    lake_at,
    manifest,
    pulse,
    take,
)

DAYS = range(1, 8)


Content = dict[str, Any]


@dataclass
class Record:
    """What a source said of one record: for each day its last word, None for a delete; and the contents
    that were told of one day with one version number."""

    said: dict[int, tuple[int, Content | None]] = field(default_factory=dict)
    told: list[tuple[int, int, Content]] = field(default_factory=list)
    stored: dict[tuple[int, int], list[Content]] = field(default_factory=dict)

    def say(self, on: int, version: int, content: Content | None) -> None:
        if content is not None:
            if (on, version, content) in self.told:
                return  # what came already is no news
            self.told.append((on, version, content))
            if self.said and on > max(self.said) and self.current() == content:
                pass  # only confirmed
            else:
                self.stored.setdefault((on, version), []).append(content)
        # on one day a delete stands, then the higher version, then what was received last
        if on not in self.said or self._rank(version, content) >= self._rank(*self.said[on]):
            self.said[on] = version, content

    def _rank(self, version: int, content: Content | None) -> tuple[bool, int]:
        return content is None, version

    def known(self, on: int) -> Content | None:
        days = [told for told in self.said if told <= on]
        return self.said[max(days)][1] if days else None

    def current(self) -> Content | None:
        return self.known(max(DAYS))

    def conflicts(self) -> Iterator[tuple[int, Content, Content]]:
        for (on, _), contents in self.stored.items():
            yield from ((on, lost, contents[-1]) for lost in contents if lost != contents[-1])


# a change: which record, on which day its source says it, its value and patient (no value: a delete)
changes = st.tuples(
    st.integers(1, 4),
    st.sampled_from(DAYS),
    st.none() | st.sampled_from([60, 70, 80]),
    st.integers(1, 2),
)
# a complete export: of which day, and which records it lacks
exports = st.none() | st.tuples(st.sampled_from(DAYS), st.frozensets(st.integers(1, 4)))
turns = st.tuples(st.lists(changes, min_size=1, max_size=4), exports)
histories = st.lists(turns, min_size=1, max_size=5)


def deliver(
    lake: Lake, turn: int, sent: list[tuple[int, int, int | None, int]], model: dict[int, Record]
) -> None:
    """One delivery: records with the day they were changed, and an export for each day of deletes."""
    for place, (number, on, value, who) in enumerate(sent):
        record = model.setdefault(number, Record())
        if value is None:
            record.say(on, 0, None)
            drop(
                lake,
                "north_ehr",
                f"{turn}-{place}/deleted.ndjson",
                [deletion(f"Observation/o{number}")],
            )
            drop(
                lake,
                "north_ehr",
                f"{turn}-{place}/manifest.json",
                manifest(day(on), "deleted.ndjson"),
            )
        else:
            # the patient is the version number: two values of one day may tie
            record.say(on, who, {"value": value, "who": f"north/p{who}"})
            drop(
                lake, "north_ehr", f"{turn}-{place}/x.ndjson", [observation(number, on, value, who)]
            )
    ingest(lake)


def observation(number: int, on: int, value: int, who: int) -> Resource:
    return pulse(f"o{number}", day(on), version=who, value=value, who=f"p{who}")


def export_all(
    lake: Lake, turn: int, export: tuple[int, frozenset[int]], model: dict[int, Record]
) -> None:
    """A complete export of all that stands, but for some; a person accepted what it lacks."""
    at, lacking = export
    held = []
    for number, record in model.items():
        content = record.current()
        if content is not None and number not in lacking:
            who = int(content["who"][-1])
            held.append(observation(number, max(record.said), content["value"], who))
        elif content is not None and max(record.said) <= at:
            record.say(at, 0, None)
    drop(lake, "north_ehr", f"full-{turn}/all.ndjson", held)
    told = complete(day(at), "all.ndjson", types=["Observation"], accepted=True)
    drop(lake, "north_ehr", f"full-{turn}/manifest.json", told)
    ingest(lake)


def say_late(number: int, model: dict[int, Record], exported: list[int]) -> None:
    """A record that nobody knew is held against the exports that came before it."""
    record = model[number]
    at = max(exported, default=0)
    if record.current() is not None and max(record.said) <= at:
        record.say(at, 0, None)


def answer(lake: Lake, known_at: datetime | None = None) -> dict[int, dict[str, Any]]:
    query = "select observation_id, value_number, patient_id from silver.observation"
    with ask(lake, query, When(known_at=known_at)) as rows:
        found = [row for batch in rows for row in batch.to_pylist()]
    told = {int(row["observation_id"].rpartition("/o")[2]): row for row in found}
    assert len(told) == len(found)
    return {n: {"value": row["value_number"], "who": row["patient_id"]} for n, row in told.items()}


def expected(model: dict[int, Record], on: int) -> dict[int, dict[str, Any]]:
    known = {number: record.known(on) for number, record in model.items()}
    return {number: content for number, content in known.items() if content}


@pytest.mark.long
# shrinking a history takes minutes
@settings(max_examples=6, phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow])
@given(histories)
def test_the_lake_knows_on_each_day_what_the_sources_had_said_by_then(
    tmp_path_factory: pytest.TempPathFactory, history: list[list[Any]]
) -> None:
    root = tmp_path_factory.mktemp("known")
    model: dict[int, Record] = {}
    exported: list[int] = []
    for turn, (sent, export) in enumerate(history):
        lake = lake_at(root, NOW + timedelta(days=turn))
        unknown = {number for number, *_ in sent} - model.keys()
        deliver(lake, turn, sent, model)
        for number in unknown:
            say_late(number, model, exported)
        if export:
            export_all(lake, turn, export, model)
            exported.append(export[0])
        build_all(lake, ["silver.observation"])
    assert answer(lake) == expected(model, max(DAYS))
    assert sorted(conflicts(lake)) == sorted(
        (f"north/o{number}", on, lost["value"], won["value"])
        for number, record in model.items()
        for on, lost, won in record.conflicts()
    )
    care(lake)
    for on in DAYS:
        assert answer(lake, datetime(2026, 1, on, tzinfo=UTC)) == expected(model, on)


def conflicts(lake: Lake) -> list[tuple[str, int, int, int]]:
    """Record, day and the two values of each conflict; which stands comes last."""
    value = "cast(resource ->> '$.valueQuantity.value' as integer)"
    query = f"""
        with told as (select distinct content_hash, {value} as value from bronze.fhir_resource where not is_deleted)
        select c.resource_id, day(c.version_at) as on_day, lost.value as lost, won.value as won
        from fhir.conflict as c join told as lost on lost.content_hash = c.content_hash
        join told as won on won.content_hash = c.standing_hash"""
    with ask(lake, query) as rows:
        return [tuple(row.values()) for batch in rows for row in batch.to_pylist()]


@pytest.mark.long
def test_a_value_corrected_on_day_5_is_not_seen_by_a_question_about_day_3(lake: Lake) -> None:
    take(lake, pulse("o1", day(2), value=60))
    take(lake, pulse("o1", day(5), value=99))
    assert answer(lake, datetime(2026, 1, 3, tzinfo=UTC)) == {1: {"value": 60, "who": "north/p1"}}
    assert answer(lake, datetime(2026, 1, 5, tzinfo=UTC)) == {1: {"value": 99, "who": "north/p1"}}
    assert answer(lake, datetime(2026, 1, 1, tzinfo=UTC)) == {}


@pytest.mark.long
def test_what_is_said_again_takes_the_word_back_from_what_came_between(lake: Lake) -> None:
    take(lake, pulse("o1", day(1), value=60))
    take(lake, pulse("o1", day(5), value=60))
    take(lake, pulse("o1", day(3), value=70))
    told = {
        on: answer(lake, datetime(2026, 1, on, tzinfo=UTC))[1]["value"] for on in (1, 2, 3, 4, 5, 6)
    }
    assert told == {1: 60, 2: 60, 3: 70, 4: 70, 5: 60, 6: 60}
    with ask(lake, "select known_from, known_to from fhir.version order by known_from") as rows:
        spans = [tuple(row.values()) for batch in rows for row in batch.to_pylist()]
    first, third, fifth = (datetime(2026, 1, on, tzinfo=UTC) for on in (1, 3, 5))
    assert spans == [(first, third), (third, fifth), (fifth, None)]


@pytest.mark.long
def test_a_row_that_a_check_refuses_is_no_answer_about_any_time(lake: Lake) -> None:
    take(lake, pulse("o1", day(1)), pulse("o2", day(1), status="no such"))
    assert list(answer(lake, datetime(2026, 1, 9, tzinfo=UTC))) == [1]


@pytest.mark.long
def test_gold_is_made_of_what_was_known(lake: Lake) -> None:
    take(lake, pulse("o1", day(2), value=60), pulse("o2", day(4), value=80))
    query = "select n_measurement, vital_sign_max from gold.vital_sign_daily"
    told = []
    for on in (3, 4):
        with ask(lake, query, When(known_at=datetime(2026, 1, on, tzinfo=UTC))) as rows:
            told += [tuple(row.values()) for batch in rows for row in batch.to_pylist()]
    assert told == [(1, 60.0), (2, 80.0)]


@pytest.mark.long
def test_what_was_known_is_no_question_to_what_arrived(lake: Lake) -> None:
    take(lake, pulse("o1", day(2)))
    with (
        pytest.raises(Exception, match="holds what arrived"),
        ask(lake, "from bronze.fhir_resource", When(known_at=NOW)),
    ):
        pass


@pytest.mark.long
def test_the_newest_version_ends_open_and_is_the_one_that_stands(tmp_path: Path) -> None:
    lake = lake_at(tmp_path)
    take(lake, *[pulse(f"o{n}", day(n)) for n in DAYS], deletion("Observation/o3"))
    take(lake, *[pulse(f"o{n}", day(2 * n), value=80) for n in DAYS])
    query = (
        "select count(*) as n from fhir.resource full join "
        "(from fhir.version where known_to is null and not is_deleted) as last "
        "using (resource_id, _sequence, _line) where fhir.resource.source is null or last.source is null"
    )
    with ask(lake, query) as rows:
        assert [row for batch in rows for row in batch.to_pylist()] == [{"n": 0}]
