"""Wearables: a week of heart rate, steps and sleep after somebody's last visit or stay.

A quarter of the people share it as an Apple Health export (XML), a quarter as Open mHealth data
points (JSON), under an enrolment number of the site that they came to first:
`<site>/<enrolment>.xml` or `.json`. No name is in them. Whose they are, and which points are late,
doubled, out of order or told by a clock that is wrong, is in the truth (`wearable`,
`sample_defect`).
"""

from collections.abc import Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

from lakehouse.datasets.synthetic.arrival import Point, disturb, report, skewed
from lakehouse.datasets.synthetic.clock import DAY, END, HOUR, utc
from lakehouse.datasets.synthetic.dice import Dice, scatter
from lakehouse.datasets.synthetic.model import Person, Registration
from lakehouse.datasets.synthetic.population import Population
from lakehouse.datasets.synthetic.sites import Site
from lakehouse.datasets.synthetic.truth import MARK, Row, Truth

_TURNS = 4
_APPLE, _OPEN = 1, 3
_DAYS = 7
_WAKES, _SLEEPS = 7, 22
_SYNC = 5
# the latest point of a week has come by then
_LATEST = 6 * DAY


class Sample(NamedTuple):
    """What was measured: `heart_rate` a minute, `steps`, or minutes of `sleep`, over so many
    minutes."""

    kind: str
    value: int
    minutes: int


_Point = Point[Sample, int]
"""With the number of the point, from 1."""


class _Wearables:
    def __init__(self, population: Population, folder: Path, truth: Truth) -> None:
        self._folder, self._truth, self._defects = folder, truth, population.defects
        self._sites = {site.name: site for site in population.sites}

    def add(self, person: Person) -> None:
        turn, begin = person.number % _TURNS, person.encounters[-1].end // DAY * DAY + DAY
        end = begin + _DAYS * DAY
        if person.died is None and turn in (_APPLE, _OPEN) and end + _LATEST < END:
            self._export(person, person.registrations[0], begin)

    def close(self) -> None:
        """Every export is closed as it is written."""

    def _export(self, person: Person, told: Registration, begin: int) -> None:
        site = self._sites[told.site]
        enrolment = f"W{site.local(person.number):06}"
        dice = Dice(person.key).at("wearable")
        points = list(_points(person, site, begin))
        skew, count = skewed(dice, self._defects), len(points)
        suffix, write = _FORMS[person.number % _TURNS]
        file = f"{self._folder.name}/{told.site}/{enrolment}.{suffix}"
        row: Row = {"person": person.id, "site": told.site, "source": enrolment, "file": file}
        report(self._truth, row, skew, disturb(points, dice, self._defects, HOUR))
        about: Row = {"patient": told.id, "start": utc(begin), "skew": skew, "n_points": count}
        self._truth.write("wearable", {**row, **about})
        folder = self._folder / told.site
        folder.mkdir(parents=True, exist_ok=True)
        text = write(site, told, enrolment, points, skew)
        (folder / f"{enrolment}.{suffix}").write_bytes(text.encode())


def open_format(population: Population, folder: Path, truth: Truth) -> _Wearables:
    """Exports that lie below the folder."""
    return _Wearables(population, folder, truth)


def _points(person: Person, site: Site, begin: int) -> Iterator[_Point]:
    """A week in the order of time: more steps from day to day, and a heart that is quick after
    them. Hours are those of the site's clocks when the week begins."""
    key, number = int.from_bytes(person.key[8:], "big"), 0
    rest = person.encounters[-1].baseline.heart_rate
    first = begin + begin - site.zone.local(begin)
    for hour in range(_DAYS * 24):
        minute, day, clock = first + hour * HOUR, *divmod(hour, 24)
        chance = scatter(key, hour)
        if clock == _WAKES:
            asleep = 330 + chance % 180
            number += 1
            woke = minute - (chance >> 20) % 40
            sample = Sample("sleep", asleep, asleep)
            yield woke - asleep, woke + _SYNC, sample, number
        if not _WAKES <= clock < _SLEEPS:
            continue
        steps = (chance >> 8) % (260 + 90 * day) + (chance >> 40 & 1) * 150
        number += 2
        pulse = Sample("heart_rate", rest + 4 + steps // 45 + (chance >> 50 & 7), 0)
        yield minute, minute + HOUR + _SYNC, Sample("steps", steps, HOUR), number - 1
        yield minute + HOUR - 1, minute + HOUR + _SYNC, pulse, number


# type, unit and value of Apple's records
_RECORDS = {
    "heart_rate": ("HKQuantityTypeIdentifierHeartRate", ' unit="count/min"'),
    "steps": ("HKQuantityTypeIdentifierStepCount", ' unit="count"'),
    "sleep": ("HKCategoryTypeIdentifierSleepAnalysis", ""),
}
_ASLEEP = "HKCategoryValueSleepAnalysisAsleepUnspecified"
_DOCTYPE = """<!DOCTYPE HealthData [
<!ELEMENT HealthData (ExportDate,Me,Record*)>
<!ATTLIST HealthData locale CDATA #REQUIRED>
]>"""


def _apple(
    site: Site, told: Registration, enrolment: str, points: Sequence[_Point], skew: int
) -> str:
    """export.xml as the Health app writes it; the enrolment number is the name of the source."""
    who, time = told.demographics, cache(partial(_apple_time, site))
    lines = [
        f'<?xml version="1.0" encoding="UTF-8"?>\n{_DOCTYPE}\n<!-- {MARK} -->\n'
        f'<HealthData locale="en_US">\n <ExportDate value="{time(END)}"/>\n'
        f' <Me HKCharacteristicTypeIdentifierDateOfBirth="{who.born}"'
        f' HKCharacteristicTypeIdentifierBiologicalSex="HKBiologicalSex{who.sex.title()}"/>\n'
    ]
    for measured, received, sample, _ in points:
        kind, unit = _RECORDS[sample.kind]
        value = _ASLEEP if sample.kind == "sleep" else sample.value
        start = measured + skew
        lines.append(
            f' <Record type="{kind}" sourceName="{enrolment}" sourceVersion="HTEST"{unit}'
            f' creationDate="{time(received)}" startDate="{time(start)}"'
            f' endDate="{time(start + sample.minutes)}" value="{value}"/>\n'
        )
    return "".join([*lines, "</HealthData>\n"])


def _apple_time(site: Site, minute: int) -> str:
    """Like 2026-11-14 19:00:00 -0500."""
    text = site.zone.iso(minute)
    return f"{text[:10]} {text[11:19]} {text[19:22]}{text[23:]}"


# schema, its version, and the measure of Open mHealth's data points
_SCHEMAS = {
    "heart_rate": ("heart-rate", "2.0", "heart_rate", "beats/min"),
    "steps": ("step-count", "3.0", "step_count", "steps"),
    "sleep": ("sleep-duration", "2.0", "sleep_duration", "min"),
}


def _open(site: Site, _: Registration, enrolment: str, points: Sequence[_Point], skew: int) -> str:
    """An array of data points of the schemas of openmhealth.org, header and body."""
    iso, told = cache(site.zone.iso), []
    for measured, received, sample, number in points:
        schema, version, name, unit = _SCHEMAS[sample.kind]
        start = iso(measured + skew)
        when = f'"date_time":"{start}"'
        if sample.minutes:
            end = iso(measured + skew + sample.minutes)
            when = f'"time_interval":{{"start_date_time":"{start}","end_date_time":"{end}"}}'
        told.append(
            f'{{"header":{{"id":"{enrolment}-{number}","creation_date_time":"{iso(received)}",'
            f'"schema_id":{{"namespace":"omh","name":"{schema}","version":"{version}"}},'
            f'"user_id":"{enrolment}","acquisition_provenance":{{"source_name":"{MARK}",'
            f'"modality":"sensed"}}}},"body":{{"effective_time_frame":{{{when}}},'
            f'"{name}":{{"value":{sample.value},"unit":"{unit}"}}}}}}'
        )
    return "[\n" + ",\n".join(told) + "\n]\n"


_FORMS = {_APPLE: ("xml", _apple), _OPEN: ("json", _open)}
