"""People are told what failed, once, and never a word of a patient."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread
from typing import Any

import pytest

from lakehouse.errors import LakehouseError, SpecError
from lakehouse.settings import PROJECT, Settings
from tests.airflow.conftest import CANARY
from tests.chat import Chat, serving

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("airflow")]


@pytest.fixture
def chat(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Chat]:
    made = Chat()
    with serving(made):
        (tmp_path / "hook").write_text(f"{made.url}\n")
        monkeypatch.setenv("LAKEHOUSE_NOTIFY_URL_FILE", str(tmp_path / "hook"))
        yield made


def test_a_feed_that_is_late_fails_each_run_and_is_told_of_once(river: Any, chat: Chat) -> None:
    chat.statuses = [500]
    for turn in range(3):
        ran = river.run("watch")
        assert ran.states == {("late", -1): "failed"}, turn
    (told,) = chat.posts
    assert told.startswith("watch.late failed: QualityError\nlate: quiet since ")
    assert "/dags/watch/" in told


def test_a_task_that_failed_for_good_is_told_of_each_time(river: Any, chat: Chat) -> None:
    river.send({"resourceType": "Patient", "id": "p1", "name": [{"family": CANARY}]})
    river.run("ingest__ward")
    for _ in range(2):
        river.run("refine")
    assert [told.partition("\n")[0] for told in chat.posts] == [
        "refine.gold.doomed failed: QualityError"
    ] * 2
    assert CANARY not in str(chat.posts)


def context_of(error: Exception) -> dict[str, Any]:
    class Instance:
        dag_id, task_id, log_url = "ingest__ward", "load", "http://127.0.0.1/log"

    return {"ti": Instance(), "exception": error}


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (SpecError("no such table", hint="make one"), "no such table\nhint: make one"),
        (ValueError(f"{CANARY} is no date"), "Its log says where."),
    ],
)
def test_only_our_own_words_are_told(chat: Chat, error: Exception, told: str) -> None:
    from lakehouse.airflow.notices import tell_failure

    tell_failure(context_of(error))
    assert chat.posts == [
        f"ingest__ward.load failed: {type(error).__name__}\n{told}\nhttp://127.0.0.1/log"
    ]


@pytest.mark.parametrize("status", [302, 404, 503])
def test_a_receiver_that_refuses_stops_nothing(chat: Chat, status: int) -> None:
    from lakehouse.airflow.notices import tell_failure

    chat.statuses = [status] * 9
    tell_failure(context_of(ValueError()))
    assert chat.posts == []


@pytest.mark.parametrize("url", ["http://chat.example/x", "ftp://127.0.0.1/x", "", "chat"])
def test_a_secret_address_is_not_called_in_the_clear(settings: Any, url: str) -> None:
    from lakehouse.airflow.notices import Notice, Webhook

    with pytest.raises(LakehouseError):
        Webhook(url, Notice("", "", ""))


def test_mail_goes_to_whom_the_settings_name(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lakehouse.airflow import notices
    from lakehouse.settings import read_settings

    monkeypatch.setenv("LAKEHOUSE_NOTIFY_MAIL", "a@example.org, b@example.org")
    mail = notices._mail(read_settings(), notices.Notice("s", "<b>", "http://l"))
    assert (mail.to, mail.subject, mail.html_content) == (
        ["a@example.org", "b@example.org"],
        "s",
        "&lt;b&gt;<br>http://l",
    )


@dataclass
class Post:
    """A mail server on loopback that takes whatever comes."""

    port: int = 0
    mails: list[str] = field(default_factory=list)


@pytest.fixture
def post(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Post]:
    made = Post()

    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 here\r\n")
            lines: list[str] = []
            is_mail = False
            for line in map(bytes.decode, self.rfile):
                word = line.strip().upper()
                if is_mail and word != ".":
                    lines.append(line)
                    continue
                if is_mail:
                    made.mails.append("".join(lines))
                is_mail = word == "DATA"
                self.wfile.write(b"354 go\r\n" if is_mail else b"250 ok\r\n")
                if word == "QUIT":
                    return

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        made.port = server.server_address[1]
        monkeypatch.setenv(
            "AIRFLOW_CONN_SMTP_DEFAULT",
            f"smtp://127.0.0.1:{made.port}/?disable_ssl=true&disable_tls=true&from_email=l%40example.org",
        )
        monkeypatch.setenv("LAKEHOUSE_NOTIFY_MAIL", "a@example.org")
        yield made
        server.shutdown()


@pytest.mark.parametrize(
    "hook", [None, "", "http://chat.example/x", "https://127.0.0.1:1/x", "gone"]
)
def test_a_webhook_that_cannot_be_used_keeps_no_mail_back(
    post: Post, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hook: str | None
) -> None:
    from lakehouse.airflow import notices

    monkeypatch.setattr(notices, "_RETRIES", False)
    if hook is not None:
        monkeypatch.setenv("LAKEHOUSE_NOTIFY_URL_FILE", str(tmp_path / "hook"))
        if hook != "gone":
            (tmp_path / "hook").write_text(hook)
    assert notices.tell(notices.Notice("late: ward", "since 07:00", "http://l"), {})
    (mail,) = post.mails
    assert "late: ward" in mail


def test_where_no_way_takes_a_notice_it_is_worth_another_try(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lakehouse.airflow import notices

    assert notices.tell(notices.Notice("s", "t", "l"), {}), "nobody wants to be told"
    monkeypatch.setenv("LAKEHOUSE_NOTIFY_URL_FILE", str(tmp_path / "gone"))
    assert not notices.tell(notices.Notice("s", "t", "l"), {})


def test_where_lineage_has_a_second_reader_what_waits_is_sent_every_ten_minutes(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.dag_processing.dagbag import DagBag

    from lakehouse.airflow import tasks

    watch = PROJECT / "dags" / "watch.py"
    assert set(DagBag(dag_folder=watch).dags["watch"].task_ids) == {"late"}
    monkeypatch.setenv("LAKEHOUSE_LINEAGE_URL", "http://127.0.0.1:9")
    assert set(DagBag(dag_folder=watch).dags["watch"].task_ids) == {"late", "relay"}
    assert tasks.relay() == {"sent": 0, "refused": 0, "waiting": 0}
