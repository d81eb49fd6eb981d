"""Airflow's own command at half the CPU of a start and end: `python -m lakehouse.airflow WORD...`.

A component makes a million objects that live as long as it does. Python's collector would look
through all of them again and again while they are made, and twice more at the end.
"""

import gc
import runpy

# new objects between two looks at the youngest; such looks before older ones are looked through too
_THRESHOLDS = (100_000, 50, 100)


def main() -> None:
    """Run `python -m airflow` with the arguments of this process, and leave by its exit."""
    gc.set_threshold(*_THRESHOLDS)
    try:
        runpy.run_module("airflow", run_name="__main__", alter_sys=True)
    finally:
        gc.freeze()


if __name__ == "__main__":
    main()
