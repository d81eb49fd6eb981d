"""`python -m tests.bench`: all of it, small; each module takes more by itself (--help)."""

from tests.bench import giant, heavy, increment, river, views


def main() -> None:
    river.main([])
    increment.main([])
    views.main([])
    giant.main(["--gb", "1"])
    heavy.main(["--copies", "1"])


if __name__ == "__main__":
    main()
