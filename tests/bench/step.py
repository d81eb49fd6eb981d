"""`python -m tests.bench.step AT land FEED PATH` or `… AT run`: `lakehouse` at a given time.

Two lakes that were told the same times can hold equal rows.
"""

import sys
from datetime import datetime
from pathlib import Path

from lakehouse import log
from lakehouse.settings import read_settings
from lakehouse.transform.river import land_paths, run
from tests.bench.measure import say


def main() -> None:
    at = datetime.fromisoformat(sys.argv[1])
    log.configure()
    if sys.argv[2] == "land":
        land_paths(read_settings(), sys.argv[3], [Path(sys.argv[4])], lambda: at)
    else:
        run(read_settings(), say, clock=lambda: at)


if __name__ == "__main__":
    main()
