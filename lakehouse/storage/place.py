"""Where tables lie, and what a library needs to come there."""

import re
from urllib.parse import urlsplit

from lakehouse.errors import SpecError
from lakehouse.settings import Credentials

_UNFIT = re.compile(r"[%#?]")


def require_fit(url: str) -> None:
    """Raise SpecError for the address of a lake that not every reader takes as it is written."""
    if _UNFIT.search(url):
        raise SpecError("a lake's address may not hold %, # or ?", hint="choose another folder")


def place_of(url: str, name: str) -> str:
    """Where a table lies in the lake at `url`."""
    return f"{url}/{name.replace('.', '/')}"


def storage_options(credentials: Credentials | None) -> dict[str, str] | None:
    """The keys as delta-rs takes them; None for a folder."""
    if credentials is None:
        return None
    return {
        "AWS_ENDPOINT_URL": credentials.endpoint,
        "AWS_ACCESS_KEY_ID": credentials.access_key,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_key,
        "AWS_REGION": credentials.region,
        "AWS_ALLOW_HTTP": str(urlsplit(credentials.endpoint).scheme == "http").lower(),
        "aws_conditional_put": "etag",
    }
