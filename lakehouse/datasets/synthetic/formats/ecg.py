"""Electrocardiograms: ten seconds of twelve leads, as WFDB records (format 16).

One record an electrocardiography of the story, `<site>/<procedure id>.hea` and `.dat`, where the
mark stands before the samples: 250 a second, 150 to 250 units a millivolt. A beat is drawn from
straight lines between points in whole numbers; how fast the heart beats is what the body's vital
signs say in that minute.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Mapping
from functools import cache
from itertools import chain, pairwise
from pathlib import Path

from lakehouse.datasets.synthetic.clock import moment, utc
from lakehouse.datasets.synthetic.dice import scatter
from lakehouse.datasets.synthetic.model import Encounter, Person, Procedure
from lakehouse.datasets.synthetic.physiology import signs_at
from lakehouse.datasets.synthetic.population import Population
from lakehouse.datasets.synthetic.truth import MARK, Truth
from lakehouse.datasets.synthetic.words.codes import ELECTROCARDIOGRAM, INFARCTION

RATE, GAIN, SECONDS = 250, 200, 10
"""Samples a second, units a millivolt of a usual heart, and how long a record is."""
LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
"""In the order of the samples."""

# (ms from the R wave, microvolt) of leads I and II and the chest leads; between them lines
_TIMES = (-250, -200, -160, -120, -40, -20, 0, 25, 45, 120, 200, 270, 340)
_WAVES = {
    "I": (0, 70, 90, 0, 0, -50, 700, -80, 0, 20, 160, 200, 0),
    "II": (0, 100, 130, 0, 0, -80, 1100, -140, 0, 20, 230, 280, 0),
    "V1": (0, 40, 50, 0, 0, 100, 180, -900, 0, 10, -40, -60, 0),
    "V2": (0, 50, 60, 0, 0, 150, 450, -1300, 0, 60, 380, 430, 0),
    "V3": (0, 50, 60, 0, 0, 60, 800, -900, 0, 60, 420, 480, 0),
    "V4": (0, 60, 70, 0, 0, -60, 1400, -500, 0, 40, 380, 420, 0),
    "V5": (0, 60, 70, 0, 0, -90, 1300, -250, 0, 30, 300, 340, 0),
    "V6": (0, 60, 70, 0, 0, -90, 1000, -120, 0, 20, 220, 260, 0),
}
# what an infarction without ST elevation does: between the R wave and the T wave the line is low
_ISCHAEMIC = ("II", "V4", "V5", "V6")
_FROM, _UNTIL, _LOW = 45, 200, 180
_NOISE = 4
_VARIANTS = 8
_SLOWEST = 30
# samples begin behind it, as the header says (header(5): format 16+32)
_PROLOGUE = MARK.encode()


class _Records:
    def __init__(self, folder: Path, truth: Truth) -> None:
        self._folder, self._truth = folder, truth

    def add(self, person: Person) -> None:
        for told in person.encounters:
            for one in told.procedures:
                if one.code == ELECTROCARDIOGRAM:
                    self._record(person, told, one)

    def close(self) -> None:
        """Every record is closed as it is written."""

    def _record(self, person: Person, told: Encounter, one: Procedure) -> None:
        folder = self._folder / told.site
        folder.mkdir(parents=True, exist_ok=True)
        rate = signs_at(told, one.start).heart_rate
        is_ischaemic = told.reason == INFARCTION.icd
        chance = scatter(told.noise, one.start)
        samples = _samples(rate, chance, is_ischaemic=is_ischaemic)
        # hearts differ in how many units a millivolt of theirs is
        gain = GAIN + (chance >> 32) % (GAIN // 2) - GAIN // 4
        (folder / f"{one.id}.dat").write_bytes(_PROLOGUE + _little_endian(samples))
        (folder / f"{one.id}.hea").write_text(_header(one, samples, gain), newline="\n")
        self._truth.write(
            "ecg",
            {
                "person": person.id,
                "site": told.site,
                "encounter": told.id,
                "record": one.id,
                "file": f"{self._folder.name}/{told.site}/{one.id}.hea",
                "at": utc(one.start),
                "heart_rate": rate,
                "has_st_depression": is_ischaemic,
            },
        )


def open_format(population: Population, folder: Path, truth: Truth) -> _Records:
    """Electrocardiographs that write below the folder."""
    return _Records(folder, truth)


def _little_endian(samples: array[int]) -> bytes:
    if sys.byteorder == "big":
        samples = samples[:]
        samples.byteswap()
    return samples.tobytes()


def _header(one: Procedure, samples: array[int], gain: int) -> str:
    """WFDB header: record line, a line a lead (checksum: 16 bits of the sum), and the mark."""
    begun = moment(one.start).strftime("%H:%M:%S %d/%m/%Y")
    count, form = len(LEADS), f"16+{len(_PROLOGUE)}"
    lines = [f"{one.id} {count} {RATE} {RATE * SECONDS} {begun}"]
    for place, lead in enumerate(LEADS):
        total = sum(samples[place::count])
        check = (total + 32768) % 65536 - 32768
        lines.append(f"{one.id}.dat {form} {gain}/mV 16 0 {samples[place]} {check} 0 {lead}")
    return "\n".join([*lines, f"# {MARK}", "# Times are UTC.", ""])


def _samples(rate: int, noise: int, *, is_ischaemic: bool) -> array[int]:
    """All leads, sample by sample; each beat a little early or late. `rate` is beats a minute."""
    every, beats = RATE * 60 // max(rate, _SLOWEST), _beats(is_ischaemic)
    told, size, number = array("h"), RATE * SECONDS * len(LEADS), 0
    while len(told) < size:
        chance = scatter(noise, number)
        length = every + (chance & 15) - 7
        told += beats[chance >> 8 & _VARIANTS - 1][: length * len(LEADS)]
        number += 1
    return told[:size]


@cache
def _beats(is_ischaemic: bool) -> tuple[array[int], ...]:
    """One beat of all leads, sample by sample, with the silence until the next: some variants,
    which differ in what muscles and mains add."""
    leads = {name: _wave(name, is_ischaemic and name in _ISCHAEMIC) for name in _WAVES}
    return tuple(_beat(leads, variant) for variant in range(_VARIANTS))


def _beat(leads: Mapping[str, list[int]], variant: int) -> array[int]:
    told = {
        name: [
            height + scatter(variant, 16 * place + lead) % (2 * _NOISE + 1) - _NOISE
            for place, height in enumerate(wave)
        ]
        for lead, (name, wave) in enumerate(leads.items())
    }
    pairs = list(zip(told["I"], told["II"], strict=True))
    # Einthoven and Goldberger: four leads follow from two
    told["III"] = [two - one for one, two in pairs]
    told["aVR"] = [-(one + two) // 2 for one, two in pairs]
    told["aVL"] = [one - two // 2 for one, two in pairs]
    told["aVF"] = [two - one // 2 for one, two in pairs]
    rows = zip(*(told[name] for name in LEADS), strict=True)
    return array("h", chain.from_iterable(rows))


def _wave(lead: str, is_low: bool) -> list[int]:
    """One beat of a lead in units: lines between the points of its waves, then nothing."""
    points = [
        (
            time * RATE // 1000,
            (height - _LOW * (is_low and _FROM <= time < _UNTIL)) * GAIN // 1000,
        )
        for time, height in zip(_TIMES, _WAVES[lead], strict=True)
    ]
    told: list[int] = []
    for (start, low), (end, high) in pairwise(points):
        told += [low + (high - low) * step // (end - start) for step in range(end - start)]
    return told + [0] * (RATE * 60 // _SLOWEST + 8 - len(told))
