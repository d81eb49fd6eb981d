"""Whatever happened in whatever order: what was built step by step is what is built at once."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from lakehouse.govern.maintain import stored_names
from lakehouse.settings import PROJECT
from lakehouse.storage.lake import Lake
from lakehouse.transform.build import Built, build, settle
from tests.workbench import (
    NOW,
    Resource,
    build_all,
    contents,
    deletion,
    drop,
    encounter,
    ingest,
    lake_at,
    manifest,
    patient,
    pulse,
    without_empty,
)

pytestmark = pytest.mark.long

BUILT = ("silver", "gold", "quarantine")
CHANGING = ["silver.patient", "silver.encounter", "silver.observation", "silver.ward_stay"]
CHANGING += ["gold.readmission", "gold.ward_census_hourly", "gold.vital_sign_daily"]
WARDS = ["w1", "w2", "w3"]


@dataclass
class Hospital:
    """A record system that changes at random and exports what it likes, some of it late or twice."""

    seed: int
    minute: int = 0
    sent: list[list[Resource]] = field(default_factory=list)
    held: list[Resource] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def exports(self, number: int) -> Iterator[tuple[str, list[Resource], list[Resource]]]:
        """The time of each export, its records and its deletions."""
        for _ in range(number):
            told = [self._change() for _ in range(self._random.randint(3, 12))]
            late, self.held = self.held, []
            kept = [r for r in told if self._random.random() < 0.8]
            self.held = [r for r in told if r not in kept]
            if self.sent and self._random.random() < 0.4:
                kept += self._random.choice(self.sent)
            kept += late
            self._random.shuffle(kept)
            self.sent.append(kept)
            yield self._now(), kept, self._deleted()

    def _now(self) -> str:
        self.minute += self._random.randint(0, 3)
        return f"2026-02-01T{self.minute // 60:02d}:{self.minute % 60:02d}:00Z"

    def _deleted(self) -> list[Resource]:
        kinds = ["Patient/p", "Encounter/e", "Observation/o"]
        if self._random.random() < 0.4:
            return [deletion(f"{self._random.choice(kinds)}{self._random.randint(1, 6)}")]
        return []

    def _change(self) -> Resource:
        pick, number = self._random.choice, self._random.randint(1, 6)
        updated = pick([None, self._now(), self._now()])
        who = f"p{self._random.randint(1, 4)}"
        match pick(["Patient", "Encounter", "Encounter", "Observation"]):
            case "Patient":
                return patient(f"p{number}", updated, birthDate=pick(["1970", "1970-05-17", "?"]))
            case "Observation":
                more = {"who": who, "value": pick([60, 70, 80, 9000])}
                return pulse(f"o{number}", updated, status=pick(["final", "final", "odd"]), **more)
        begin, end = self._random.randint(1, 9), self._random.randint(5, 14)
        place = {"location": {"reference": f"Location/{pick(WARDS)}"}}
        return encounter(
            f"e{number}",
            updated,
            who=who,
            status=pick(["finished", "finished", "in-progress", "entered-in-error", "no such"]),
            period={
                "start": f"2026-01-{begin:02d}T10:20:00Z",
                # some end before they began: those are refused
                **pick([{}, {"end": f"2026-01-{end:02d}T11:40:00Z"}]),
            },
            location=pick([[], [place]]),
        )


def load_export(
    lake: Lake, at: str, records: list[Resource], deleted: list[Resource], place: int
) -> None:
    drop(lake, "north_ehr", f"{place}/records.ndjson", records)
    drop(lake, "north_ehr", f"{place}/deleted.ndjson", deleted)
    drop(lake, "north_ehr", f"{place}/manifest.json", manifest(at, "records.ndjson"))
    ingest(lake)


def care(lake: Lake) -> None:
    """Compact and drop every old file at once, which no night would do."""
    for name in stored_names(lake):
        lake.open(name).compact()
        lake.open(name).vacuum(timedelta(0))
        lake.open(name).checkpoint()


def bring_up_to_date(lake: Lake) -> dict[str, Built]:
    """As the pipelines do it: what needs no row for that first, then all others."""
    built: dict[str, Built] = {}
    for name in CHANGING:
        reads = {read.name for read in lake.catalog.stored_reads(lake.catalog.table(name))}
        if reads & built.keys() or settle(lake, name) is None:
            built[name] = build(lake, name)
    return built


@pytest.mark.parametrize(
    ("seed", "exports", "cared"),
    [
        (2, 4, {1: "built", 2: "loaded"}),
        *[(seed, 10, {seed: "built", 8: "loaded"}) for seed in range(3, 6)],
    ],
)
def test_step_by_step_gives_what_is_built_at_once(
    tmp_path: Path, seed: int, exports: int, cared: dict[int, str]
) -> None:
    modes: set[str] = set()
    for place, export in enumerate(Hospital(seed).exports(exports)):
        later = NOW + timedelta(minutes=place)
        steps, once = lake_at(tmp_path / "steps", later), lake_at(tmp_path / "once", later)
        for lake in (steps, once):
            load_export(lake, *export, place)
        if cared.get(place) == "loaded":
            care(steps)
        modes |= {built.mode for built in bring_up_to_date(steps).values() if place}
        if cared.get(place) == "built":
            care(steps)
    build_all(once, CHANGING)
    found, told = (without_empty(contents(lake, layers=BUILT)) for lake in (steps, once))
    assert found == told
    assert "incremental" in modes
    assert any(name.startswith("quarantine.silver") for name in told), "nothing was ever refused"
    assert contents(steps, envelope=True, layers=("bronze",)) == contents(
        once, envelope=True, layers=("bronze",)
    )
    care(steps)
    build_all(steps, CHANGING)
    assert without_empty(contents(steps, layers=BUILT)) == told


def test_a_table_whose_sql_was_changed_is_built_anew_and_is_the_same(tmp_path: Path) -> None:
    lake = lake_at(tmp_path)
    for place, export in enumerate(Hospital(5).exports(2)):
        load_export(lake, *export, place)
        build_all(lake, CHANGING)
    before = contents(lake, layers=BUILT)
    own = tmp_path / "config" / "sql"
    for name in CHANGING:
        path = Path("sql", *name.split(".")).with_suffix(".sql")
        (own / path.parent.name).mkdir(parents=True, exist_ok=True)
        (own / path.parent.name / path.name).write_text(
            (PROJECT / path).read_text() + "\n-- moved\n;\n"
        )
    changed = build_all(lake_at(tmp_path), CHANGING)
    assert {built.mode for built in changed.values()} == {"full"}
    assert without_empty(contents(lake, layers=BUILT)) == without_empty(before)
