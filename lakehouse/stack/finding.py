"""What the doctor says of one property."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One property: whether it holds, what was seen, and what to do when it does not.

    `ok` is None for what cannot be looked at from here; `detail` says why.
    """

    name: str
    ok: bool | None
    detail: str
    hint: str = ""


def found(name: str, ok: bool, detail: str, cure: str) -> Finding:
    """A property that was looked at; the cure is told only where it is needed."""
    return Finding(name, ok, detail, "" if ok else cure)


def unseen(name: str, why: str, hint: str = "") -> Finding:
    """A property that cannot be looked at from here."""
    return Finding(name, None, why, hint)
