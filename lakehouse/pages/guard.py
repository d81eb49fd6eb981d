"""Who may come in: every route says what right it needs, and one that says none lets nobody in."""

import hmac
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

from fastapi import Depends, HTTPException, Request, Response

from lakehouse.catalog.policy import RIGHTS, Policy
from lakehouse.errors import SpecError, StoreError
from lakehouse.pages.wiring import Person, Wiring

ANYBODY = "anybody"
"""The right to what every signed-in person may have: the style sheet and its script."""

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
        "form-action 'self'; frame-ancestors 'self'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_MOST_FORM_BYTES = 16 * 2**10


def admission(wiring: Wiring) -> Callable[..., None]:
    """The dependency of the whole app: 401 without a person, 403 without the route's right."""

    def admit(
        request: Request,
        person: Person = Depends(wiring.require_person),  # noqa: B008 (how FastAPI is told)
    ) -> None:
        with declared_well():
            policy = Policy.read(wiring.settings.policy)
        rights = policy.rights_of(person.name, person.groups)
        request.state.person, request.state.rights = person, rights
        request.state.roles = policy.roles_of(person.name, person.groups)
        if not is_granted(needed(request.scope.get("route")), rights):
            raise HTTPException(403)

    return admit


@contextmanager
def declared_well() -> Iterator[None]:
    """Say of a declaration that is wrong that the pages are down, not that a page is not there."""
    try:
        yield
    except SpecError as error:
        raise StoreError(error.message, hint=error.hint) from None


def needed(route: object) -> str | None:
    """The right that a route needs; None where it says none."""
    tags = getattr(route, "tags", None) or []
    return str(tags[0]) if len(tags) == 1 else None


def is_granted(right: str | None, rights: frozenset[str]) -> bool:
    """Whether these rights open a route that needs `right`."""
    return right == ANYBODY or (right in RIGHTS and right in rights)


async def add_headers(
    request: Request, answer: Callable[[Request], Awaitable[Response]]
) -> Response:
    """Answer, and let nothing run or load that is not ours, wherever the page is shown."""
    response = await answer(request)
    response.headers.update(HEADERS)
    return response


def form_token(wiring: Wiring, person: Person, day: str | None = None) -> str:
    """What a form of this person holds today; no other site can know it."""
    told = f"{person.name}\n{day or _today()}"
    return hmac.new(wiring.secret, told.encode(), "sha256").hexdigest()


async def read_form(request: Request, wiring: Wiring) -> dict[str, str]:
    """The fields of a form that a page of ours showed to this person yesterday or today.

    Raises HTTPException with 403 for any other.
    """
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_FORM_BYTES:
            raise HTTPException(413)
    fields = dict(parse_qsl(body.decode(errors="replace")))
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    known = [form_token(wiring, request.state.person, day) for day in (_today(), yesterday)]
    given = fields.pop("token", "").encode()
    is_known = any(hmac.compare_digest(token.encode(), given) for token in known)
    if not is_known or _is_from_elsewhere(request):
        raise HTTPException(403)
    return fields


def _is_from_elsewhere(request: Request) -> bool:
    if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
        return True
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != request.headers.get("host")


def _today() -> str:
    return datetime.now(UTC).date().isoformat()
