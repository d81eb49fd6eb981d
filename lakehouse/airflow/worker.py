"""Airflow's Celery worker, its processes forked warm: `python -m lakehouse.airflow.worker WORD...`.

What it knows of the declarations is as old as itself; a task that finds newer ones reads them.
"""

import sys

from lakehouse.airflow import ready
from lakehouse.airflow.__main__ import main as airflow
from lakehouse.settings import read_settings


def main() -> None:
    """Run `airflow celery worker` with the arguments of this process."""
    ready.load(read_settings())
    sys.argv[1:1] = ["celery", "worker"]
    airflow()


if __name__ == "__main__":
    main()
