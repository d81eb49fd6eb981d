"""`python -m tests.bench.synth`: how many synthetic patients a core writes in a second.

`lakehouse synth` as a whole process, for few patients and for many; what a patient costs is the
difference. Each row is the truth and some formats: each by itself, then those that the aim is about.
"""

import argparse
from pathlib import Path

from lakehouse.datasets.synthetic.formats import formats
from tests.bench.measure import Cost, cost_of, median, say, scratch, show, show_machine

AIM = ["fhir", "hl7", "monitor", "tables"]
"""The aim is 200 patients a second with these; images, notes and what else there is cost extra."""


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, nargs=2, default=(100, 600))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--format", action="append", default=[])
    told = parser.parse_args(arguments)
    say("## Synthetic patients")
    show_machine()
    few, many = told.patients
    sets = [told.format] if told.format else [*([name] for name in formats()), AIM]
    rows = [measured(only, few, many, told.rounds) for only in sets]
    show(("truth and", "CPU ms a patient", "patients a CPU s", "kB a patient", "peak MiB"), rows)


def measured(only: list[str], few: int, many: int, rounds: int) -> tuple[object, ...]:
    """What a patient costs with some formats, net of the start of the process."""
    told, size = [], 0.0
    with scratch() as folder:
        for turn in range(rounds):
            costs = []
            for patients in (few, many):
                place = folder / f"{turn}-{patients}"
                costs.append(cost_of(asked(only, patients, place)))
                size = (
                    sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
                    / patients
                )
            small, large = costs
            told.append(Cost(large.wall - small.wall, large.cpu - small.cpu, large.peak))
    middle = median(told)
    milliseconds = middle.cpu / (many - few) * 1000
    return (
        ", ".join(only),
        milliseconds,
        round(1000 / milliseconds),
        round(size / 1000),
        round(middle.peak),
    )


def asked(only: list[str], patients: int, place: Path) -> list[str]:
    """The command line."""
    formats = [part for name in only for part in ("--format", name)]
    return [
        "-m",
        "lakehouse",
        "synth",
        "--seed",
        "7",
        "--patients",
        str(patients),
        "--out",
        str(place),
        *formats,
    ]


if __name__ == "__main__":
    main()
