"""What Airflow says of itself, and its database of it: health, DAGs that cannot be read, last runs.

The database is asked, and not the API: from a server's containers no user of Airflow's can sign in.
"""

import os
import shlex
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2  # type: ignore[import-untyped]  # ships no types

from lakehouse.catalog.feeds import is_loopback
from lakehouse.errors import SpecError
from lakehouse.settings import Settings
from lakehouse.stack import airflow, postgres
from lakehouse.stack.finding import Finding, found, unseen
from lakehouse.stack.places import Places

_HEALTH, _DATABASE, _DAGS = "Airflow's parts are healthy", "Airflow's database answers", "the DAGs"
_API = "AIRFLOW__CORE__EXECUTION_API_SERVER_URL"
_CONNECTION = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
_SECONDS = 3
_SKEW_SECONDS = 60
_FACTS = "select current_setting('server_version'), pg_database_size(current_database()), "
_CLOCK = "extract(epoch from clock_timestamp())::float8"
_BROKEN = "select distinct filename from import_error order by filename"
_KNOWN = "select count(*), count(*) filter (where is_paused) from dag where not is_stale"
_LAST = """
    select dag_id from (
      select distinct on (dag_id) dag_id, state from dag_run
      where state in ('success', 'failed') order by dag_id, end_date desc
    ) as last where state = 'failed' order by dag_id"""
_MAIL = "select count(*) from connection where conn_id = 'smtp_default'"


def server_address() -> str | None:
    """Where Airflow answers in a server's containers; None beside an embedded stack."""
    told = os.environ.get(_API)
    return told.removesuffix("/").removesuffix("/execution") if told else None


def look_at_airflow(settings: Settings, *, is_running: bool) -> list[Finding]:
    """Tell what Airflow and its database say; nothing of them is changed."""
    server = server_address()
    if not server and not is_running:
        why = "the embedded stack is not running"
        names = (_HEALTH, _DATABASE, _DAGS)
        return [*(unseen(name, why, "`lakehouse up` starts it") for name in names)]
    body = airflow.ask_health(server or airflow.address(settings))
    try:
        address = _server_database() if server else postgres.connection(Places(settings.home), "")
        return [_health(body), *_of_database(settings, address)]
    except (psycopg2.Error, OSError, subprocess.SubprocessError) as error:
        cure = "is PostgreSQL up? `lakehouse status`, or `docker compose ps`"
        return [_health(body), found(_DATABASE, False, type(error).__name__, cure)]


def who_is_at_work() -> str:
    """Tell what of a server's Airflow works on the lake now; nothing beside an embedded stack, and
    where no Airflow answers."""
    server = server_address()
    body = airflow.ask_health(server) if server else {}
    told = body.get("scheduler") or {}
    return "Airflow's scheduler is up" if told.get("status") == "healthy" else ""


def look_at_webhook(settings: Settings) -> Finding:
    """Tell whether the webhook could be told of a failure; nothing is sent to it."""
    name = "the webhook could be told"
    try:
        url = settings.notify_url()
    except SpecError as error:
        return found(name, False, error.message, "put the file back, readable by its owner")
    if not url:
        return found(name, True, "none is set", "")
    place = urlsplit(url)
    if place.scheme != "https" and not (place.scheme == "http" and is_loopback(place.hostname)):
        return found(name, False, "its file holds no https:// address", "write one into it")
    port = place.port or (443 if place.scheme == "https" else 80)
    try:
        socket.create_connection((place.hostname or "", port), _SECONDS).close()
    except OSError as error:
        cure = "can this machine reach it? a proxy, a firewall, a name that is not known here"
        return found(name, False, f"its host does not answer ({type(error).__name__})", cure)
    return found(name, True, "its host answers", "")


def _health(body: Any) -> Finding:
    ill = [part for part, told in body.items() if told and told.get("status") != "healthy"]
    # what does not run in this set-up has no status
    told = ", ".join(f"{part} is {body[part].get('status')}" for part in ill)
    return found(
        _HEALTH,
        bool(body) and not ill,
        told or (f"{len(body)} parts" if body else "the API server does not answer"),
        "`lakehouse up` waits until they are, or `docker compose ps`; then the logs of that part",
    )


def _server_database() -> str:
    """The database's address, got as Airflow gets it; it holds the password."""
    if command := os.environ.get(f"{_CONNECTION}_CMD"):
        done = subprocess.run(
            shlex.split(command), capture_output=True, text=True, timeout=_SECONDS, check=True
        )
        return done.stdout.strip()
    return os.environ.get(_CONNECTION, "")


def _of_database(settings: Settings, address: str) -> Iterator[Finding]:
    plain = f"postgresql://{address.partition('://')[2]}"
    with closing(psycopg2.connect(plain, connect_timeout=_SECONDS)) as link:
        before = time.time()
        ((release, size, told),) = _ask(link, _FACTS + _CLOCK)
        skew = 0.0 if before - 1 <= told <= time.time() + 1 else told - before
        size_mib = f"{size / 2**20:.0f} MiB"
        yield found(_DATABASE, True, f"PostgreSQL {release}, {size_mib}", "")
        yield found(
            "the database's clock agrees",
            abs(skew) <= _SKEW_SECONDS,
            f"{skew:+.0f} seconds apart",
            "let both machines keep network time",
        )
        yield from _of_dags(link)
        if settings.notify_mail:
            yield _mail(link)


def _of_dags(link: Any) -> Iterator[Finding]:
    broken = [Path(name).name for (name,) in _ask(link, _BROKEN)]
    ((known, paused),) = _ask(link, _KNOWN)
    yield found(
        _DAGS,
        not broken,
        f"cannot be read: {', '.join(broken)}"
        if broken
        else f"{known} are known, {paused} of them paused",
        "Airflow's first page names the line; a wrong declaration under sql/ or in feeds.toml is "
        "named with its cure",
    )
    failed = [name for (name,) in _ask(link, _LAST)]
    yield found(
        "the last run of each DAG went well",
        not failed,
        f"failed: {', '.join(failed)}" if failed else "none failed",
        "open that run in Airflow: the task's log names what failed, and the hint in it the cure",
    )


def _mail(link: Any) -> Finding:
    ((known,),) = _ask(link, _MAIL)
    return found(
        "mail could be sent",
        bool(known),
        "Airflow knows smtp_default" if known else "Airflow knows no connection smtp_default",
        "add it in Airflow under Admin, Connections",
    )


def _ask(link: Any, sql: str) -> list[tuple[Any, ...]]:
    with link.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())
