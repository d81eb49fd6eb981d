"""The synthetic hospital: its files, and its way through the pipelines."""

import argparse
from decimal import Decimal
from pathlib import Path

from lakehouse.cli.verb import Told, say, verb, word
from lakehouse.settings import Settings

_WHOLE = 10_000


@verb(
    "demo",
    "Bring a small synthetic hospital through the pipelines.",
    word("--patients", type=int, default=200, metavar="N", help="at two sites; 200"),
)
def demo(settings: Settings, told: Told) -> None:
    from lakehouse.airflow.demo import run_demo
    from lakehouse.stack.airflow import access
    from lakehouse.stack.control import up

    up(settings, say)
    run_demo(settings, say, patients=told.patients, access=access(settings))


def _rate(text: str) -> int:
    """A share as parts of 10,000."""
    try:
        found = int(Decimal(text) * _WHOLE)
    except (ArithmeticError, ValueError):
        found = -1
    if not 0 <= found <= _WHOLE:
        raise argparse.ArgumentTypeError("not a share like 0.05")
    return found


@verb(
    "synth",
    "Write a synthetic hospital, with the truth beside it.",
    word("--patients", type=int, required=True, metavar="N"),
    word("--seed", type=int, required=True, metavar="S"),
    word("--out", type=Path, required=True, metavar="DIR", help="an empty folder"),
    word("--defects", type=_rate, default=500, metavar="RATE", help="0 to 1; 0.05"),
    word("--sites", default="north,south", metavar="NAME[=ZONE],…"),
    word("--format", action="append", default=[], help="only this one; repeatable"),
    word("--pixels", choices=("small", "full"), default="small"),
)
def synth(_: Settings, told: Told) -> None:
    from lakehouse.datasets.synthetic import Population, sites_of, write_hospital

    population = Population(
        told.patients, told.seed, sites_of(told.sites), told.defects, told.pixels
    )
    write_hospital(population, told.out, told.format, lambda number: say(f"{number} patients"))
    say(f"{told.patients} synthetic patients are in {told.out}")
