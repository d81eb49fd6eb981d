"""Bedside monitors: a row a minute while one is connected, as the gateway of the wards writes them.

CSV: gateways export it, and nothing is quicker to write. One stay after the other, the rows of
each in the order of arrival: `measured_at` is by the monitor's clock, `received_at` by the
gateway's, both in whole minutes. Points that are late, doubled, out of order, or told by a clock
that is wrong are in the truth (`sample_defect`), as is every time that a monitor was connected
(`session`). What is measured after the third export is not there yet.
"""

from collections.abc import Iterator
from pathlib import Path

from lakehouse.datasets.synthetic.arrival import Point, disturb, report, skewed
from lakehouse.datasets.synthetic.clock import EXPORTS, exported_at, utc
from lakehouse.datasets.synthetic.dice import Dice
from lakehouse.datasets.synthetic.model import Encounter, Move, Person
from lakehouse.datasets.synthetic.parts import Parts
from lakehouse.datasets.synthetic.physiology import series
from lakehouse.datasets.synthetic.population import Population
from lakehouse.datasets.synthetic.sites import Site
from lakehouse.datasets.synthetic.truth import MARK, Row, Truth

_COLUMNS = (
    "device,bed,mrn,visit,measured_at,received_at,hr_per_min,rr_per_min,spo2_percent,"
    "sbp_mmhg,dbp_mmhg"
)
_LIMIT = 4 << 20
_LAST = exported_at(EXPORTS)


_Point = Point[str, str]
"""With the line before the times, and after them."""


class _Monitors:
    def __init__(self, population: Population, folder: Path, truth: Truth) -> None:
        self._truth, self._defects = truth, population.defects
        self._sites = {site.name: site for site in population.sites}
        self._files = {name: Parts(folder / name, "vitals", "csv", _LIMIT) for name in self._sites}

    def add(self, person: Person) -> None:
        for told in person.encounters:
            for place, (start, end) in enumerate(told.monitored):
                if start < _LAST:
                    self._session(person, told, place, (start, min(end, _LAST)))

    def close(self) -> None:
        for file in self._files.values():
            file.turn()

    def _session(
        self, person: Person, told: Encounter, place: int, window: tuple[int, int]
    ) -> None:
        file, (start, end) = self._files[told.site], window
        dice = Dice(person.key).at(f"monitor/{told.id}/{place}")
        skew = skewed(dice, self._defects)
        row: Row = {"person": person.id, "site": told.site, "source": f"{told.id}-w{place}"}
        row["file"] = file.path
        points = list(_points(self._sites[told.site], person, told, window))
        about: Row = {"encounter": told.id, "start": utc(start), "end": utc(end)}
        report(self._truth, row, skew, disturb(points, dice, self._defects))
        about |= {"skew": skew, "n_rows": len(points)}
        self._truth.write("session", {**row, **about})
        self._write(self._sites[told.site], points, skew)

    def _write(self, site: Site, points: list[_Point], skew: int) -> None:
        file, written = self._files[site.name], utc if site.writes_utc else site.zone.iso
        if file.size == 0:
            degree = "f" if site.uses_fahrenheit else "c"
            file.write(f"{_COLUMNS},temp_{degree},remark\n".encode())
        lines = []
        for measured, received, before, after in points:
            came = written(received)
            told = came if measured + skew == received else written(measured + skew)
            lines.append(f"{before}{told},{came}{after}")
        file.write("".join(lines).encode())
        if file.is_full:
            file.turn()


def open_format(population: Population, folder: Path, truth: Truth) -> _Monitors:
    """Gateways that write below the folder, `<site>/vitals.<part>.csv`."""
    return _Monitors(population, folder, truth)


def _points(
    site: Site, person: Person, told: Encounter, window: tuple[int, int]
) -> Iterator[_Point]:
    mrn = next(one.mrn for one in person.at_site(told.site) if one.id == told.patient)
    for move, start, end in _beds(told, window):
        bed = move.bed if move else "clinic"
        before = f"MON-{bed.upper()},{bed},{mrn},{told.visit_number},"
        for minute, signs in series(told, start, end):
            heat = signs.temperature
            if site.uses_fahrenheit:
                heat = heat * 9 // 5 + 320
            after = (
                f",{signs.heart_rate},{signs.respiratory_rate},{signs.oxygen_saturation},"
                f'{signs.systolic},{signs.diastolic},{heat // 10}.{heat % 10},"{MARK}"\n'
            )
            yield minute, minute, before, after


def _beds(told: Encounter, window: tuple[int, int]) -> Iterator[tuple[Move | None, int, int]]:
    """In which bed the patient lies from when to when."""
    start, end = window
    if not told.moves:
        yield None, start, end
    for move in told.moves:
        since, until = max(start, move.start), min(end, move.end)
        if since < until:
            yield move, since, until
