"""The sample hospital: the same bytes for the same seed, laid out as an export, marked as such."""

import gzip
import hashlib
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from lakehouse.datasets.sample import write_sample
from lakehouse.datasets.sample.answers import answers
from lakehouse.datasets.sample.dice import Dice
from lakehouse.datasets.sample.story import AUTUMN_NIGHT, COURSES, END, SPRING_NIGHT, tell
from lakehouse.errors import SpecError
from lakehouse.settings import PROJECT

ZONES = {"north": "America/New_York", "south": "America/Chicago"}


def write(folder: Path, site: str = "north", export: int = 1, **told: int) -> Path:
    place = folder / site / str(export)
    asked = {"patients": 20, "seed": 7} | told
    write_sample(place, site=site, export=export, zone=ZONES[site], **asked)
    return place


def content(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def lines(folder: Path) -> list[bytes]:
    return [line for path in files(folder) for line in content(path).splitlines()]


def files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.ndjson*"))


def resources(folder: Path) -> Iterator[dict[str, Any]]:
    for line in lines(folder):
        try:
            yield json.loads(line)
        except ValueError:
            continue


def digest(folder: Path) -> str:
    told = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        told.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return told.hexdigest()


def test_the_same_seed_gives_the_same_bytes_in_another_process(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from lakehouse.datasets.sample import write_sample;"
        "write_sample(Path(sys.argv[1]), site='north', patients=20, seed=7, export=2,"
        " zone='America/New_York')"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "other")]
    environment = {"PYTHONHASHSEED": "1", "TZ": "Asia/Tokyo", "PYTHONPATH": str(PROJECT)}
    subprocess.run(command, check=True, env=environment)
    assert digest(tmp_path / "other") == digest(write(tmp_path, export=2))


@pytest.mark.parametrize(
    ("site", "export", "expected"),
    [
        ("north", 1, "2acff12290ea"),
        ("north", 2, "50ad29766e93"),
        ("north", 3, "7b5ab9a21c15"),
        ("south", 1, "2be5ed27adff"),
    ],
)
def test_the_bytes_are_the_same_on_every_machine(
    tmp_path: Path, site: str, export: int, expected: str
) -> None:
    assert digest(write(tmp_path, site, export))[:12] == expected


def test_another_seed_and_another_site_are_other_people(tmp_path: Path) -> None:
    places = [write(tmp_path), write(tmp_path, "south"), write(tmp_path / "other", seed=8)]
    assert len({digest(place) for place in places}) == 3


def test_two_sites_use_the_same_ids(tmp_path: Path) -> None:
    names = [
        {(r["resourceType"], r["id"]) for r in resources(write(tmp_path, site))} for site in ZONES
    ]
    shared = names[0] & names[1]
    kinds = {kind for kind, _ in shared}
    assert kinds == {kind for kind, _ in names[0]}
    assert len(shared) > 1000


def test_a_manifest_lists_every_file_with_its_lines(tmp_path: Path) -> None:
    for export in (1, 2, 3):
        place = write(tmp_path, export=export)
        manifest = json.loads((place / "manifest.json").read_text())
        listed = [*manifest["output"], *manifest["deleted"]]
        base = f"https://north.example.org/fhir/export/{export}/"
        counts = {
            str(path.relative_to(place)): len(content(path).splitlines()) for path in files(place)
        }
        assert {item["url"].removeprefix(base): item["count"] for item in listed} == counts
        assert manifest["transactionTime"] == f"2026-11-{14 + export}T00:00:00Z"


def test_files_are_plain_and_gzip_and_named_as_servers_name_them(tmp_path: Path) -> None:
    names = {path.name for path in files(write(tmp_path))}
    assert {"Patient.000.ndjson", "Observation.000.ndjson", "Observation.001.ndjson.gz"} <= names
    assert all(json.loads(line) for line in lines(tmp_path / "north"))


def test_everything_is_marked_as_test_data_and_versioned(tmp_path: Path) -> None:
    for export in (1, 2, 3):
        place = write(tmp_path, export=export)
        until = json.loads((place / "manifest.json").read_text())["transactionTime"]
        for resource in resources(place):
            if resource["resourceType"] == "Bundle":
                continue
            assert [label["code"] for label in resource["meta"]["security"]] == ["HTEST"]
            assert int(resource["meta"]["versionId"]) >= 1
            assert "2026-02" < resource["meta"]["lastUpdated"] <= until


def test_every_reference_of_a_first_export_points_to_something_in_it(tmp_path: Path) -> None:
    known = {f"{r['resourceType']}/{r['id']}" for r in resources(write(tmp_path))}
    told = b"\n".join(lines(tmp_path / "north")).decode().split('"reference":"')[1:]
    assert {text.partition('"')[0] for text in told} <= known


@pytest.mark.long
def test_sixty_patients_are_some_thousand_resources(tmp_path: Path) -> None:
    told = list(resources(write(tmp_path, patients=60)))
    kinds = Counter(resource["resourceType"] for resource in told)
    assert 6_000 <= len(told) <= 10_000
    assert kinds["Patient"] == 60
    assert {"Location", "Encounter", "Condition", "MedicationRequest", "Procedure"} < kinds.keys()


def test_the_second_export_breaks_one_line_and_deletes_one_stay(tmp_path: Path) -> None:
    first, second = write(tmp_path), write(tmp_path, export=2)
    assert len(lines(second)) - len(list(resources(second))) == 1
    bundles = [r for r in resources(second) if r["resourceType"] == "Bundle"]
    requests = [entry["request"] for bundle in bundles for entry in bundle["entry"]]
    assert {request["method"] for request in requests} == {"DELETE"}
    known = {f"{r['resourceType']}/{r['id']}" for r in resources(first)}
    erased = {request["url"] for request in requests}
    assert erased <= known
    assert len(erased) == len(requests) > 20


def test_a_second_export_holds_late_and_corrected_versions(tmp_path: Path) -> None:
    first = {(r["resourceType"], r["id"]): r["meta"] for r in resources(write(tmp_path))}
    found = Counter()
    for resource in resources(write(tmp_path, export=2)):
        before = first.get((resource["resourceType"], resource.get("id")))
        if before is None:
            found["new"] += 1
        elif resource["meta"]["lastUpdated"] < before["lastUpdated"]:
            found["late"] += 1
        else:
            found["newer"] += 1
    assert found["late"] == 1
    assert min(found["new"], found["newer"]) > 5


def test_somebody_spends_each_night_of_changing_clocks_in_a_ward() -> None:
    for site in ZONES:
        people = list(tell(site, 20, 7))
        stays = [move for person in people for visit in person.visits for move in visit.moves]
        for night in (AUTUMN_NIGHT, SPRING_NIGHT):
            assert any(move.start < night + 4 * 60 and night + 9 * 60 < move.end for move in stays)


@pytest.mark.parametrize("seed", range(40))
def test_no_story_contradicts_itself(seed: int) -> None:
    for person in tell("north", 20, seed):
        visits = person.visits
        assert [visit.number for visit in visits] == list(range(1, len(visits) + 1))
        for visit in visits:
            assert 0 <= visit.start < visit.end
            assert visit.end < END or person.course == "open"
            ends = [visit.start, *(move.end for move in visit.moves)]
            assert [move.start for move in visit.moves] == ends[:-1]
            assert not visit.moves or ends[-1] == visit.end
        for before, after in pairwise(visits):
            assert before.end < after.start
        assert person.died is None or person.died == visits[-1].end


@pytest.mark.parametrize(
    ("patients", "export"), [(len(COURSES) - 1, 1), (0, 1), (20, 0), (20, 4), (20, -1)]
)
def test_what_cannot_be_written_is_refused(tmp_path: Path, patients: int, export: int) -> None:
    with pytest.raises(SpecError):
        write(tmp_path, export=export, patients=patients)
    assert list(tmp_path.iterdir()) == []


def test_dice_do_not_care_about_the_order_of_questions() -> None:
    dice = Dice("a")
    assert dice.between(1, 6, "x") == Dice("a").between(1, 6, "x")
    assert {dice.between(1, 6, turn) for turn in range(200)} == set(range(1, 7))
    assert {dice.at(turn).between(0, 10**9, "x") for turn in range(100)} != {0}
    assert sum(dice.chance(30, turn) for turn in range(1000)) in range(250, 350)
    assert {dice.about(10, 2, turn) for turn in range(2000)} == set(range(4, 17))


def test_the_answers_follow_from_the_courses() -> None:
    first, second = answers("north", 20, 7, 1), answers("north", 20, 7, 2)
    assert first.patients == second.patients == 20
    # one stay is deleted, one open stay ends, one return is found not to have been planned
    assert second.encounters == first.encounters - 1
    assert (second.episodes, second.indexes, second.readmissions) == (
        first.episodes - 1,
        first.indexes,
        first.readmissions,
    )
