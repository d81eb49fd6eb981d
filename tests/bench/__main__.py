"""`python -m tests.bench`: all of it, small; each module takes more by itself (--help)."""

from tests.bench import giant, heavy, increment, pages, river, synth, views


def main() -> None:
    river.main([])
    increment.main([])
    views.main([])
    pages.main(["--rounds", "4"])
    giant.main(["--gb", "1"])
    heavy.main(["--copies", "1"])
    synth.main([])


if __name__ == "__main__":
    main()
