"""Tells people what failed: by a webhook, by mail, or both, as the settings say.

A notice holds names, counts and a link, and of errors only the words that the lakehouse wrote.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import urllib3
from airflow.sdk.bases.notifier import BaseNotifier
from airflow.sdk.exceptions import AirflowException

from lakehouse.catalog.feeds import is_loopback
from lakehouse.errors import LakehouseError, SpecError
from lakehouse.log import get_logger
from lakehouse.settings import Settings, read_settings

_TOLD = "told"
_SECONDS = 10
_RETRIES = urllib3.Retry(total=2, backoff_factor=1, redirect=False, allowed_methods=None)
_REFUSALS = (OSError, urllib3.exceptions.HTTPError, AirflowException, LakehouseError)

log = get_logger()


@dataclass(frozen=True, slots=True)
class Notice:
    """What is told: a line, what to know beyond it, and where to look."""

    subject: str
    text: str
    link: str


class Webhook(BaseNotifier):
    """Posts `{"text": …}`, as the incoming webhooks of chat systems take it."""

    def __init__(self, url: str, notice: Notice) -> None:
        super().__init__()
        self._url, self._notice = _checked(url), notice

    def notify(self, context: Any) -> None:
        """Raises what the connection raises; a refusal is a failure too."""
        told = self._notice
        body = json.dumps({"text": f"{told.subject}\n{told.text}\n{told.link}"})
        headers = {"Content-Type": "application/json"}
        with urllib3.PoolManager(retries=_RETRIES, timeout=_SECONDS) as pool:
            answer = pool.request("POST", self._url, body=body, headers=headers)
        if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
            raise urllib3.exceptions.HTTPError(f"status {answer.status}")


def tell_failure(context: Any) -> None:
    """What a task does when it has failed for good."""
    tell(_notice(context), context)


def tell_change(context: Any) -> None:
    """The same of a task that judges again and again: only what it did not say the last time."""
    notice, instance = _notice(context), context["ti"]
    told = instance.xcom_pull(task_ids=instance.task_id, key=_TOLD, include_prior_dates=True)
    if told != notice.text and tell(notice, context):
        instance.xcom_push(_TOLD, notice.text)


def _notice(context: Any) -> Notice:
    instance, error = context["ti"], context.get("exception")
    told = str(error) if isinstance(error, LakehouseError) else "Its log says where."
    subject = f"{instance.dag_id}.{instance.task_id} failed: {type(error).__name__}"
    return Notice(subject, told, instance.log_url)


def tell(notice: Notice, context: Any) -> bool:
    """Tell people by each way that is set; False where no way took it, so that it is worth another
    try. A way that cannot be used keeps no other one back."""
    settings = read_settings()
    taken = [_is_taken(way, (settings, notice), context) for way in (_webhook, _mail)]
    return any(taken) or all(told is None for told in taken)


def _is_taken(way: Callable[..., Any], told: tuple[Settings, Notice], context: Any) -> bool | None:
    """Whether a way took the notice; None for one that is not set."""
    try:
        notifier = way(*told)
        if notifier is None:
            return None
        notifier.notify(context)
    except _REFUSALS as error:
        log.warning("a notice was not taken", error=type(error).__name__)
        return False
    return True


def _webhook(settings: Settings, notice: Notice) -> Webhook | None:
    url = settings.notify_url()
    return Webhook(url, notice) if url else None


def _mail(settings: Settings, notice: Notice) -> BaseNotifier | None:
    if not settings.notify_mail:
        return None
    from airflow.providers.smtp.notifications.smtp import SmtpNotifier

    words = "<br>".join(map(escape, (*notice.text.splitlines(), notice.link)))
    to = list(settings.notify_mail)
    return SmtpNotifier(to=to, subject=notice.subject, html_content=words)


def _checked(url: str) -> str:
    place = urlsplit(url)
    if place.scheme == "https" or (place.scheme == "http" and is_loopback(place.hostname)):
        return url
    raise SpecError("LAKEHOUSE_NOTIFY_URL_FILE holds no https:// address")
