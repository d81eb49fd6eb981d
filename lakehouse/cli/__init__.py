"""The command line. Exit codes: 0 done, 2 wrong usage, 10 declaration, 11 check, 12 not granted,
13 storage; docs/cli.md lists every verb. A verb is declared under verbs/, and nowhere else.
"""

import argparse
import gc
import sys
from collections.abc import Sequence
from importlib import import_module
from pkgutil import iter_modules

from lakehouse.cli import verbs
from lakehouse.cli.verb import Run, Verb, Word
from lakehouse.errors import LakehouseError
from lakehouse.settings import read_settings

_OBJECTS = 10_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code; errors go to stderr, without any traceback."""
    told = parser().parse_args(arguments)
    # modules, rows and parsed SQL are hardly ever garbage that refers to itself, so that to look
    # for some each 700 objects takes a fiftieth of a run and finds nothing
    gc.set_threshold(_OBJECTS)
    # what loads more than a parser is imported once there is something to do
    from lakehouse import log

    # the verbs say themselves what they did; logs are for what went wrong
    log.configure("warning")
    run: Run = told.verb
    try:
        run(read_settings(), told)
    except LakehouseError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    except BrokenPipeError:
        # the reader of our output has gone; that is its right
        sys.stderr.close()
    return 0


def parser() -> argparse.ArgumentParser:
    """What understands all verbs, in the order of their names."""
    made = argparse.ArgumentParser(
        prog="lakehouse", description="Clinical Lakehouse: governed, traced tables for hospitals."
    )
    made.set_defaults(json=False)
    declared = _declared()
    below = made.add_subparsers(required=True, metavar="VERB", title="verbs")
    for verb in sorted(declared, key=lambda verb: verb.name):
        if " " not in verb.name:
            _add(below, verb, [one for one in declared if one.name.startswith(f"{verb.name} ")])
    return made


def _declared() -> list[Verb]:
    names = [f"{verbs.__name__}.{module.name}" for module in iter_modules(verbs.__path__)]
    told = [value for name in names for value in vars(import_module(name)).values()]
    return [value for value in told if isinstance(value, Verb)]


def _add(
    below: "argparse._SubParsersAction[argparse.ArgumentParser]",
    verb: Verb,
    actions: Sequence[Verb] = (),
) -> None:
    added = below.add_parser(verb.name.rpartition(" ")[2], help=verb.about, description=verb.about)
    if verb.run:
        added.set_defaults(verb=verb.run)
    for word in verb.words:
        _add_word(added, word)
    if actions:
        inner = added.add_subparsers(required=not verb.run, metavar="ACTION", title="actions")
        for action in actions:
            _add(inner, action)


def _add_word(added: argparse.ArgumentParser, word: Word | tuple[Word, ...]) -> None:
    if isinstance(word, Word):
        added.add_argument(*word.names, **word.how)
        return
    either = added.add_mutually_exclusive_group()
    for one in word:
        either.add_argument(*one.names, **one.how)
