"""A build recomputes what changed, refuses what breaks a check, and does nothing twice."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lakehouse.errors import QualityError, SpecError
from lakehouse.govern.maintain import stored_names
from lakehouse.settings import PROJECT
from lakehouse.storage.lake import Lake
from lakehouse.transform import build as module
from lakehouse.transform import difference
from lakehouse.transform.build import build
from tests.workbench import (
    REACHED,
    Resource,
    build_all,
    contents,
    day,
    deletion,
    encounter,
    lake_at,
    patient,
    pulse,
    rows,
    take,
    without_empty,
)

ENCOUNTER, WAITING = "silver.encounter", "quarantine.silver_encounter"
BACKWARDS = {"start": "2026-01-09T10:00:00Z", "end": "2026-01-02T10:00:00Z"}


def admitted(number: int, updated: int, **more: Any) -> Resource:
    """Version `updated` of an encounter that began at 08:00 of that day."""
    period = {"start": f"2026-01-{updated:02d}T13:00:00Z"}
    return encounter(f"e{number}", day(updated), **({"period": period} | more))


def standing(lake: Lake) -> dict[str, tuple[int, bool]]:
    """Of each encounter the day on which it began, and whether a newer version waits."""
    found = rows(lake, ENCOUNTER, envelope=True)
    return {r["encounter_id"]: (r["admitted_on"].day, r["_pending"]) for r in found}


def waiting(lake: Lake) -> list[tuple[str, int]]:
    """The refused versions: encounter and day of the version."""
    found = rows(lake, WAITING, envelope=True)
    return sorted((r["encounter_id"], r["available_at"].day) for r in found)


@pytest.mark.long
def test_a_run_without_news_commits_nothing(lake: Lake) -> None:
    take(lake, patient(), encounter(), pulse())
    build_all(lake, REACHED)
    versions = {name: lake.open(name).version for name in stored_names(lake)}
    again = build_all(lake, REACHED)
    assert {name: built.mode for name, built in again.items()} == dict.fromkeys(again, "unchanged")
    assert {name: lake.open(name).version for name in stored_names(lake)} == versions


@pytest.mark.long
def test_only_what_changed_is_written(lake: Lake) -> None:
    take(lake, *[admitted(n, 1) for n in range(9)], patient())
    build_all(lake, [ENCOUNTER, "silver.patient", "gold.readmission"])
    take(lake, admitted(3, 2), admitted(9, 2), deletion("Encounter/e4"))
    built = build_all(lake, [ENCOUNTER, "silver.patient", "gold.readmission"])
    told = built[ENCOUNTER]
    assert (told.mode, told.written, told.deleted, told.rows) == ("incremental", 2, 1, 9)
    assert (built["silver.patient"].written, built["silver.patient"].deleted) == (0, 0)


@pytest.mark.long
def test_what_came_is_not_of_its_kind_and_no_row_is_looked_at(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(lake, admitted(1, 1), pulse())
    build(lake, ENCOUNTER)
    before = lake.open(ENCOUNTER)
    take(lake, pulse("o2"), pulse("o1", day(2)), patient())
    monkeypatch.setattr("lakehouse.storage.engine.Engine.attach_views", nobody_calls)
    built = build(lake, ENCOUNTER)
    assert (built.mode, built.rows, built.written, built.deleted) == ("incremental", 1, 0, 0)
    assert lake.open(ENCOUNTER).files() == before.files()
    assert lake.open(ENCOUNTER).state()["inputs"]["bronze.fhir_resource"] == 2
    assert build(lake, ENCOUNTER).mode == "unchanged"


def nobody_calls(*_: object) -> None:
    raise AssertionError


@pytest.mark.long
def test_a_first_build_without_a_record_of_its_kind_makes_an_empty_table_at_once(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(lake, pulse(), patient())
    with monkeypatch.context() as patched:
        patched.setattr("lakehouse.storage.engine.Engine.attach_views", nobody_calls)
        built = build(lake, ENCOUNTER)
    assert (built.mode, built.rows, built.quarantined) == ("full", 0, 0)
    assert [result.broken for result in built.checks] == [0] * len(built.checks) != []
    take(lake, admitted(1, 1))
    assert build(lake, ENCOUNTER).mode == "incremental"
    assert standing(lake) == {"north/e1": (1, False)}


@pytest.mark.long
def test_a_model_sees_only_the_types_of_resources_that_it_names(tmp_path: Path) -> None:
    own_model(tmp_path, ENCOUNTER, "resources: [Encounter]", "resources: [Condition, Procedure]")
    lake = lake_at(tmp_path)
    take(lake, admitted(1, 1))
    assert build(lake, ENCOUNTER).rows == 0


@pytest.mark.long
def test_a_record_that_moves_to_another_patient_changes_both(lake: Lake) -> None:
    names = ["silver.observation", "gold.vital_sign_daily"]
    take(lake, pulse("o1", day(1), who="p1"), pulse("o2", day(1), who="p2", value=80))
    build_all(lake, names)
    take(lake, pulse("o1", day(2), who="p2"))
    built = build_all(lake, names)["gold.vital_sign_daily"]
    assert (built.mode, built.written, built.deleted) == ("incremental", 1, 1)
    (row,) = rows(lake, "gold.vital_sign_daily")
    assert (row["patient_id"], row["n_measurement"]) == ("north/p2", 2)


@pytest.mark.long
def test_many_changes_make_the_table_anew_from_what_stays_and_what_is_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []
    for most in (difference._MOST_MERGED, 0):
        monkeypatch.setattr(difference, "_MOST_MERGED", most)
        lake = lake_at(tmp_path / str(most))
        take(lake, *[admitted(n, 1) for n in range(4)], admitted(9, 1, status="no such"))
        build(lake, ENCOUNTER)
        take(lake, admitted(1, 2), admitted(2, 2, status="no such"), deletion("Encounter/e3"))
        built = build(lake, ENCOUNTER)
        assert (built.mode, built.written, built.deleted) == ("incremental", 2, 1)
        take(lake, admitted(9, 2))
        build(lake, ENCOUNTER)
        told.append((standing(lake), waiting(lake)))
    assert told[0] == told[1]
    assert told[0][1] == [("north/e2", 2)]


# deliveries in turn, each a list of (encounter, version, whether it passes); what stands; what waits
REFUSALS: list[tuple[list[list[tuple[int, int, bool]]], dict[int, tuple[int, bool]], list[tuple[int, int]]]] = [
    ([[(1, 1, True)], [(1, 2, False)]], {1: (1, True)}, [(1, 2)]),
    ([[(1, 1, True), (1, 2, True)], [(1, 3, False)], [(1, 4, False)]], {1: (2, True)}, [(1, 3), (1, 4)]),
    ([[(1, 1, True), (1, 2, False), (1, 3, False), (1, 4, False)]], {1: (1, True)}, [(1, 2), (1, 3), (1, 4)]),
    ([[(1, 1, False)]], {}, [(1, 1)]),
    ([[(1, 1, False)], [(1, 2, False)]], {}, [(1, 1), (1, 2)]),
    ([[(1, 1, True)], [(1, 2, False)], [(1, 3, True)]], {1: (3, False)}, []),
    ([[(1, 1, False)], [(1, 2, True)]], {1: (2, False)}, []),
    ([[(1, 3, False)], [(1, 2, True)]], {1: (2, True)}, [(1, 3)]),
    ([[(1, 1, True), (2, 1, False)], [(1, 2, False)], [(2, 2, True)]], {1: (1, True), 2: (2, False)}, [(1, 2)]),
]  # fmt: skip


@pytest.fixture(scope="module")
def refusals(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, Lake]:
    """Every case's encounters as its own hundreds: built after each turn, and built once."""
    steps = lake_at(tmp_path_factory.mktemp("steps"))
    once = lake_at(tmp_path_factory.mktemp("once"))
    for turn in range(max(len(case[0]) for case in REFUSALS)):
        sent = [
            admitted(100 * place + number, version, **({} if passes else {"status": "no such"}))
            for place, case in enumerate(REFUSALS)
            for number, version, passes in (case[0][turn : turn + 1] or [[]])[0]
        ]
        for lake in (steps, once):
            take(lake, *sent)
        build(steps, ENCOUNTER)
    build(once, ENCOUNTER)
    return steps, once


@pytest.mark.long
@pytest.mark.parametrize("place", range(len(REFUSALS)), ids=[str(c[0]) for c in REFUSALS])
@pytest.mark.parametrize("way", [0, 1], ids=["step by step", "at once"])
def test_the_newest_version_that_passes_stands_and_those_after_it_wait(
    refusals: tuple[Lake, Lake], place: int, way: int
) -> None:
    def mine(number: int) -> str:
        return f"north/e{100 * place + number}"

    lake, (_, stands, waits) = refusals[way], REFUSALS[place]
    found = {key: told for key, told in standing(lake).items() if _case(key) == place}
    assert found == {mine(number): told for number, told in stands.items()}
    held = [told for told in waiting(lake) if _case(told[0]) == place]
    assert held == [(mine(number), version) for number, version in waits]


def _case(key: str) -> int:
    return int(key.removeprefix("north/e")) // 100


@pytest.mark.long
def test_a_refusal_names_the_checks_that_the_row_broke(lake: Lake) -> None:
    take(lake, encounter(status="no such", period=BACKWARDS, subject={}))
    assert build(lake, ENCOUNTER).quarantined == 1
    (row,) = rows(lake, WAITING, envelope=True)
    assert len(row["_broke"]) == 4
    assert "patient_id is present" in row["_broke"]


@pytest.mark.long
def test_a_delete_that_is_newer_than_a_refused_version_takes_all(lake: Lake) -> None:
    take(lake, admitted(1, 1), admitted(1, 2, status="no such"))
    build(lake, ENCOUNTER)
    take(lake, deletion("Encounter/e1"))
    assert build(lake, ENCOUNTER).rows == 0
    assert waiting(lake) == []


@pytest.mark.long
def test_a_refused_version_does_not_bring_back_what_was_deleted(lake: Lake) -> None:
    take(lake, admitted(1, 1))
    take(lake, deletion("Encounter/e1"))
    take(lake, encounter("e1", "2026-04-01T00:00:00Z", status="no such"))
    assert build(lake, ENCOUNTER).rows == 0
    assert len(waiting(lake)) == 1


@pytest.mark.long
def test_a_build_that_was_overtaken_does_not_leave_its_old_refusals(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(lake, admitted(1, 1), admitted(2, 1, status="no such"))
    build(lake, ENCOUNTER)
    take(lake, admitted(1, 2, status="no such"))
    commit = module._Build._commit_refused

    def overtaken(self: Any, is_partial: bool) -> int:
        monkeypatch.undo()
        take(lake, admitted(1, 3), admitted(2, 2))
        assert build(lake, ENCOUNTER).quarantined == 0
        return commit(self, is_partial)

    monkeypatch.setattr(module._Build, "_commit_refused", overtaken)
    assert build(lake, ENCOUNTER).mode == "unchanged"
    assert waiting(lake) == []
    assert standing(lake) == {"north/e1": (3, False), "north/e2": (2, False)}


@pytest.mark.long
def test_the_first_refusal_of_a_build_that_was_overtaken_is_not_committed(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(lake, admitted(1, 1, status="no such"))
    commit = module._Build._commit_refused

    def overtaken(self: Any, is_partial: bool) -> int:
        monkeypatch.undo()
        take(lake, admitted(2, 1, status="no such"))
        build(lake, ENCOUNTER)
        return commit(self, is_partial)

    monkeypatch.setattr(module._Build, "_commit_refused", overtaken)
    build(lake, ENCOUNTER)
    assert [key for key, _ in waiting(lake)] == ["north/e1", "north/e2"]


@pytest.mark.long
def test_after_care_that_drops_every_old_file_a_build_still_knows_what_changed(lake: Lake) -> None:
    for number in range(3):
        take(lake, admitted(number, 1))
    build(lake, ENCOUNTER)
    for name in stored_names(lake):
        lake.open(name).compact()
        lake.open(name).vacuum(timedelta(0))
        lake.open(name).checkpoint()
    assert build(lake, ENCOUNTER).mode == "unchanged"
    take(lake, admitted(1, 2))
    built = build(lake, ENCOUNTER)
    assert (built.mode, built.written) == ("incremental", 1)
    # an input that has not changed since is read from the files that are left
    assert build_all(lake, ["gold.readmission"])["gold.readmission"].rows == 3


@pytest.mark.long
def test_an_input_that_changes_after_its_old_files_are_gone_is_read_whole(lake: Lake) -> None:
    take(lake, admitted(1, 1))
    build_all(lake, [ENCOUNTER, "gold.readmission"])
    for number in (2, 3):
        take(lake, admitted(1, number))
        build(lake, ENCOUNTER)
    lake.open(ENCOUNTER).vacuum(timedelta(0))
    assert build(lake, "gold.readmission").mode == "full"
    assert [r["admitted_on"].day for r in rows(lake, "gold.readmission")] == [3]


def own_model(tmp_path: Path, name: str, old: str, new: str) -> None:
    """Lay a changed model over the project's."""
    path = tmp_path / "config" / "sql" / f"{name.replace('.', '/')}.sql"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = (PROJECT / "sql" / f"{name.replace('.', '/')}.sql").read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.long
def test_a_model_that_gains_a_column_is_built_anew_and_what_reads_it_goes_on(
    tmp_path: Path,
) -> None:
    names = [ENCOUNTER, "gold.readmission"]
    lake = lake_at(tmp_path)
    take(lake, admitted(1, 1))
    build_all(lake, names)
    before = contents(lake, layers=("gold",))
    own_model(
        tmp_path,
        ENCOUNTER,
        "  chosen.source,\n",
        "  chosen.source,\n  1.5::double as value_number,\n",
    )
    changed = lake_at(tmp_path)
    assert {built.mode for built in build_all(changed, names).values()} == {"full"}
    assert {row["value_number"] for row in rows(changed, ENCOUNTER)} == {1.5}
    assert without_empty(contents(changed, layers=("gold",))) == without_empty(before)
    take(changed, admitted(1, 2))
    assert {built.mode for built in build_all(changed, names).values()} == {"incremental"}
    # and loses it again
    (tmp_path / "config" / "sql" / "silver" / "encounter.sql").unlink()
    assert {built.mode for built in build_all(lake_at(tmp_path), names).values()} == {"full"}
    assert "value_number" not in rows(lake_at(tmp_path), ENCOUNTER)[0]


@pytest.mark.long
@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("cast(class.is_inpatient as boolean)", "class.is_inpatient", "is_inpatient is string"),
        ("from told\n", "from nowhere\n", "nowhere does not exist"),
        ("chosen.record.status as", "chosen.record.state as", "state"),
        ("[Encounter]", '[Encounter, "x\' or true --"]', "resources lists types"),
    ],
)
def test_a_model_that_is_wrong_says_where_and_commits_nothing(
    tmp_path: Path, old: str, new: str, error: str
) -> None:
    lake = lake_at(tmp_path)
    take(lake, admitted(1, 1))
    own_model(tmp_path, ENCOUNTER, old, new)
    with pytest.raises(SpecError, match=error):
        build(lake_at(tmp_path), ENCOUNTER)
    assert lake.open(ENCOUNTER).version == 0


@pytest.mark.long
def test_a_check_that_must_hold_stops_the_build_and_nothing_is_committed(tmp_path: Path) -> None:
    own_model(tmp_path, ENCOUNTER, "checks:\n", "checks:\n  - one_of: {class_code: [AMB]}\n")
    lake = lake_at(tmp_path)
    take(lake, admitted(1, 1, **{"class": {"code": "Zanzibar"}}), admitted(2, 2, status="no such"))
    with pytest.raises(QualityError, match="1 checks that must hold do not") as caught:
        build(lake, ENCOUNTER)
    assert "Zanzibar" not in str(caught.value)
    assert lake.open(ENCOUNTER).version == 0
    assert lake.find(WAITING) is None
