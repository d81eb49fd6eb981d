"""The synthetic hospital: the same people for the same seed, and stories that do not contradict themselves."""

from itertools import pairwise
from pathlib import Path

import pytest

from lakehouse.cli import main
from lakehouse.datasets.synthetic import Population, sites_of, write_hospital
from lakehouse.datasets.synthetic.clock import END, NIGHTS
from lakehouse.datasets.synthetic.dice import Dice
from lakehouse.datasets.synthetic.model import Encounter
from lakehouse.datasets.synthetic.story import modules, turns
from lakehouse.errors import SpecError

PEOPLE = list(Population(84, 7).people())


def test_a_person_follows_from_the_seed_and_the_number_alone() -> None:
    assert Population(84, 7).person(40) == PEOPLE[39]
    assert Population(84, 8).person(40).truth != PEOPLE[39].truth


def test_dice_give_what_they_are_asked_for() -> None:
    dice = Dice.of("a")
    assert dice.at("x").below(10**9) == Dice.of("a").at("x").below(10**9)
    assert {dice.between(1, 6) for _ in range(200)} == set(range(1, 7))
    assert sum(dice.chance(30) for _ in range(1000)) in range(250, 350)
    drawn = [dice.about(100, 10) for _ in range(4000)]
    assert abs(sum(drawn) / 4000 - 100) < 1
    assert 85 < sum((value - 100) ** 2 for value in drawn) / 4000 < 115
    assert {dice.weighted(((1, "a"), (0, "b"), (3, "c"))) for _ in range(100)} == {"a", "c"}


def test_every_story_is_told_even_where_few_people_are() -> None:
    assert {person.module for person in PEOPLE[: len(turns())]} == set(modules())


def test_two_sites_give_the_same_ids_to_different_people() -> None:
    owners: dict[str, dict[str, int]] = {"north": {}, "south": {}}
    for person in PEOPLE:
        for told in person.registrations:
            assert owners[told.site].setdefault(told.id, person.number) == person.number
    both = owners["north"].keys() & owners["south"].keys()
    assert len(both) > 10
    assert any(owners["north"][name] != owners["south"][name] for name in both)


def test_somebody_spends_each_night_of_changing_clocks_in_a_ward_of_each_site() -> None:
    for site in ("north", "south"):
        stays = [
            e for person in PEOPLE for e in person.encounters if e.site == site and e.is_inpatient
        ]
        for night in NIGHTS:
            assert any(stay.start < night + 4 * 60 and night + 9 * 60 < stay.end for stay in stays)


def ids(encounter: Encounter) -> list[str]:
    events = [
        *encounter.diagnoses, *encounter.rounds, *encounter.panels, *encounter.medications,
        *encounter.procedures, *encounter.imaging, *encounter.documents, *encounter.allergies,
        *encounter.immunizations, *encounter.surveys, *encounter.care_plans,
        *(result for panel in encounter.panels for result in panel.results),
    ]  # fmt: skip
    return [event.id for event in events]


@pytest.mark.parametrize("seed", range(6))
def test_no_story_contradicts_itself(seed: int) -> None:
    for person in Population(84, seed, defects=10_000).people():
        encounters = person.encounters
        assert encounters
        for before, after in pairwise(encounters):
            assert before.end < after.start
        for encounter in encounters:
            assert encounter.start < encounter.end
            assert encounter.start < END
            assert encounter.patient in {told.id for told in person.at_site(encounter.site)}
            assert len(ids(encounter)) == len(set(ids(encounter)))
            ends = [encounter.start, *(move.end for move in encounter.moves)]
            assert [move.start for move in encounter.moves] == ends[:-1]
            assert not encounter.moves or ends[-1] == encounter.end
            minutes = [minute for minute, _ in encounter.course]
            assert minutes == sorted(minutes)
        uids = [image.study_uid for encounter in encounters for image in encounter.imaging]
        assert len(uids) == len(set(uids))
        assert all(len(uid) <= 44 for uid in uids)
        assert person.died is None or person.died == encounters[-1].end
        targets = [
            (one.site, one.target)
            for one in person.changes
            if not one.kind.startswith(("patient", "address"))
        ]
        assert len(targets) == len(set(targets))


@pytest.mark.parametrize(
    ("patients", "sites", "defects"),
    [
        (0, "north", 0),
        (5, "north,north", 0),
        (5, "North", 0),
        (5, "", 0),
        (5, "north", -1),
        (5, "north=Mars/Base", 0),
        (5, "north=../x", 0),
    ],
)
def test_what_cannot_be_is_refused(patients: int, sites: str, defects: int) -> None:
    with pytest.raises(SpecError):
        Population(patients, 7, sites_of(sites), defects)


def test_a_folder_with_something_in_it_and_a_format_that_is_not_are_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(SpecError, match="not empty"):
        write_hospital(Population(1, 7), tmp_path, ["fhir"])
    with pytest.raises(SpecError, match="no format is called x12"):
        write_hospital(Population(1, 7), tmp_path / "new", ["x12"])
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_every_file_of_the_truth_says_that_it_is_synthetic(tmp_path: Path) -> None:
    write_hospital(Population(42, 7, defects=2000), tmp_path / "out", ["fhir"])
    streams = {
        path.stem: path.read_bytes().splitlines() for path in (tmp_path / "out" / "truth").iterdir()
    }
    assert {
        "person",
        "registration",
        "encounter",
        "record",
        "link",
        "change",
        "defect",
        "outcome",
    } <= streams.keys()
    assert all(b'"mark":"HTEST"' in line for lines in streams.values() for line in lines)


@pytest.mark.parametrize("rate", ["-0.1", "1.1", "many", "nan"])
def test_a_rate_that_is_no_share_is_wrong_usage(
    rate: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["synth", "--patients", "1", "--seed", "1", "--out", "x", "--defects", rate])
    assert ended.value.code == 2
    assert "not a share" in capsys.readouterr().err
