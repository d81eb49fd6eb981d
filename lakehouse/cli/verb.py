"""How a verb is declared, and the words and answers that several of them share."""

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lakehouse.settings import Settings

Told = argparse.Namespace
Run = Callable[[Settings, Told], None]


@dataclass(frozen=True, slots=True)
class Word:
    """An argument or an option, as `argparse.ArgumentParser.add_argument` takes it."""

    names: tuple[str, ...]
    how: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb, or one action of a verb, whose name is then two words.

    A verb without `run` cannot be called without an action. Words in a tuple exclude each other.
    """

    name: str
    about: str
    words: tuple[Word | tuple[Word, ...], ...] = ()
    run: Run | None = None


def verb(name: str, about: str, *words: Word | tuple[Word, ...]) -> Callable[[Run], Verb]:
    """Make a verb of the function that carries it out; where it stands it is found."""
    return lambda run: Verb(name, about, words, run)


def word(*names: str, **how: Any) -> Word:
    """An argument (`feed`) or an option (`--feed`)."""
    return Word(names, how)


FEED = word("feed", metavar="FEED")
TABLE = word("table", metavar="TABLE")
# it may stand before an action or behind it: who does not find it leaves what was found
JSON = word("--json", action="store_true", default=argparse.SUPPRESS, help="for machines")


def instant(text: str) -> datetime:
    """A time that a person wrote, in UTC where no zone stands in it."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("not a time like 2026-11-24T08:00Z") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def asked(settings: Settings) -> tuple[Any, Any]:
    """The state store and the catalogue, of which lists are drawn: no table is opened."""
    from lakehouse.catalog.load import Catalog
    from lakehouse.state.store import open_state

    return open_state(settings), Catalog.of(settings)


def say(line: str) -> None:
    """Write one line, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def answer(told: Told, found: Any, lines: Iterable[str]) -> None:
    """Say what was found: as JSON where that was asked for, else in lines for a person."""
    if told.json:
        say(json.dumps(found, default=str))
        return
    for line in lines:
        say(line)


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """Rows as lines under a header."""
    from lakehouse.render import table_lines

    yield from table_lines(header, rows)
