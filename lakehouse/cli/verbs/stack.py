"""The embedded stack, and a server's beginning."""

from dataclasses import asdict
from pathlib import Path

from lakehouse.cli.verb import JSON, Told, answer, say, verb, word
from lakehouse.errors import StoreError
from lakehouse.settings import Settings

_MARKS = {True: "ok  ", False: "FAIL", None: "?   "}


@verb("up", "Start the embedded stack: object store, PostgreSQL, Airflow.")
def up(settings: Settings, _: Told) -> None:
    from lakehouse.stack import control

    control.up(settings, say)


@verb("down", "Stop the embedded stack; everything it knows is kept.")
def down(settings: Settings, _: Told) -> None:
    from lakehouse.stack import control

    control.down(settings, say)


@verb("status", "Tell which parts of the embedded stack are healthy.", JSON)
def status(settings: Settings, told: Told) -> None:
    from lakehouse.stack import control

    found = control.status(settings)
    lines = (
        f"{part.name:<21} {'healthy' if part.healthy else 'DOWN':<7} {part.detail}"
        for part in found.components
    )
    answer(told, asdict(found), lines)
    if not found.healthy:
        n_ill = sum(not part.healthy for part in found.components)
        heals = "the supervisor starts them again; `lakehouse up` waits for it"
        raise StoreError(
            f"{n_ill} of {len(found.components)} parts of the stack are down",
            hint=heals if found.running else "`lakehouse up` starts them",
        )


@verb("doctor", "Tell what support would ask first, each with its cure.", JSON)
def doctor(settings: Settings, told: Told) -> None:
    from lakehouse.stack.doctor import doctor as examine

    findings = examine(settings)
    lines = []
    for finding in findings:
        lines.append(f"{_MARKS[finding.ok]} {finding.name}: {finding.detail}")
        if finding.hint:
            lines.append(f"     cure: {finding.hint}")
    answer(told, [asdict(finding) for finding in findings], lines)
    failed = [finding for finding in findings if finding.ok is False]
    if failed:
        raise StoreError(f"{len(failed)} of {len(findings)} findings are wrong: see above")


@verb(
    "move",
    "Bring the lake to the store that the settings name.",
    word(
        "--from",
        dest="source",
        metavar="FOLDER",
        type=Path,
        help="the folder the lake lies in, where no stack recorded it",
    ),
)
def move(settings: Settings, told: Told) -> None:
    from lakehouse.stack.move import move as carry

    moved = carry(settings, say, told.source)
    say(f"the lake lies in {moved.url} now, with {moved.tables} tables")
    say("LAKEHOUSE_URL must not name the old place any more; its files stay until you remove them")


@verb(
    "init-server",
    "Make the secrets of a server, as files; what is there is kept.",
    word("folder", metavar="FOLDER", nargs="?", type=Path, default=Path("secrets")),
    word("--host", default="localhost", metavar="NAME", help="of the certificate"),
)
def init_server(_: Settings, told: Told) -> None:
    from lakehouse.stack.server import NAMES, init_server

    made = init_server(told.folder, told.host)
    say(f"{told.folder}: {len(made)} secrets made, {len(NAMES) - len(made)} were there")
