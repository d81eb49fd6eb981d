"""Numbers, sizes and times as a person reads them."""

import re
from datetime import UTC, datetime

from markupsafe import Markup

NONE = "\u2013"
"""What stands where there is nothing."""

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_STEPS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def number(value: int | None) -> str:
    """A count with its thousands apart."""
    return NONE if value is None else f"{value:,}".replace(",", "\u202f")


def size(value: float | None) -> str:
    """Bytes in the unit that fits."""
    if value is None:
        return NONE
    for unit in _UNITS[:-1]:
        if value < 1024:  # noqa: PLR2004 (what a KiB is)
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} {_UNITS[-1]}"


def duration(seconds: float | None) -> str:
    """A time span in its greatest two units."""
    if seconds is None:
        return NONE
    if seconds < 10:  # noqa: PLR2004 (where tenths count)
        return f"{seconds:.1f} s"
    parts: list[str] = []
    rest = int(seconds)
    for step, unit in _STEPS:
        if rest >= step and len(parts) < 2:  # noqa: PLR2004 (two units are enough)
            parts.append(f"{rest // step} {unit}")
            rest %= step
    return " ".join(parts)


def instant(text: str | None) -> str:
    """An instant to the minute, in UTC."""
    if not text:
        return NONE
    return datetime.fromisoformat(text).astimezone(UTC).strftime("%Y-%m-%d %H:%M")


def ago(text: str | None, now: datetime) -> str:
    """How long ago, or in how long."""
    if not text:
        return "never"
    seconds = (now - datetime.fromisoformat(text)).total_seconds()
    step, unit = next((s for s in _STEPS if abs(seconds) >= s[0]), _STEPS[-1])
    told = f"{int(abs(seconds) // step)} {unit}"
    return f"{told} ago" if seconds >= 0 else f"in {told}"


def breakable(name: str) -> Markup:
    """A name that may be broken where its parts meet."""
    parts = re.split(r"(?<=[._])", name)
    return Markup("<wbr>").join(parts)


def share(value: float) -> str:
    """A share of one in percent."""
    return "0 %" if value == 0 else "< 0.1 %" if value < 0.001 else f"{value * 100:.1f} %"  # noqa: PLR2004
