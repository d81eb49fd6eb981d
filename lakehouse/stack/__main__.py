"""`python -m lakehouse.stack` is the supervisor; `lakehouse up` starts it in the background."""

from lakehouse.stack.supervisor import main

if __name__ == "__main__":
    raise SystemExit(main())
