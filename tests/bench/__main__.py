"""`python -m tests.bench [NAME…]`: all of it, small, or only what is named; a module takes more by itself
(`python -m tests.bench.NAME --help`).
"""

import argparse
from collections.abc import Sequence

from tests.bench.measure import aloud

SMALL: dict[str, list[str]] = {
    "river": [],
    "increment": [],
    "views": [],
    "pages": ["--rounds", "4"],
    "giant": ["--gb", "1"],
    "heavy": ["--copies", "1"],
    "synth": [],
    "requests": [],
}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", metavar="NAME", nargs="*", help=", ".join(SMALL))
    names = parser.parse_args(arguments).names
    if strange := [name for name in names if name not in SMALL]:
        parser.error(f"nothing is called {', '.join(strange)}; there are {', '.join(SMALL)}")
    for name in names or SMALL:
        # each in a process of its own: what one has loaded is no part of another's figures
        aloud(f"tests.bench.{name}", *SMALL[name])


if __name__ == "__main__":
    main()
