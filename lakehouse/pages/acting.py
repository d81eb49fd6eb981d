"""The pages that do something: an act becomes a DAG run, a look is written down first."""

from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse

from lakehouse.answers.quarantine import list_waiting
from lakehouse.catalog.acts import ACTS, DAG, WHY
from lakehouse.catalog.policy import ACT, CONTENT
from lakehouse.pages.app import Pages
from lakehouse.pages.guard import read_form
from lakehouse.pages.reading import show_place


def routes(pages: Pages) -> APIRouter:
    """Both, each for whom policy.yml lets."""
    router = APIRouter()

    @router.post("/acts", tags=[ACT])
    async def act(request: Request) -> RedirectResponse:
        told = _parse(pages, await read_form(request, pages.wiring))
        person = request.state.person
        started = await run_in_threadpool(pages.wiring.trigger, person, DAG, told)
        root = request.scope.get("root_path", "")
        return RedirectResponse(f"{root}/acts?started={started}", 303)

    @router.post("/quarantine/{name}/{sequence}/{line}/content", tags=[CONTENT])
    async def content(request: Request, name: str, sequence: int, line: int) -> HTMLResponse:
        await read_form(request, pages.wiring)
        look, person = pages.wiring.look, request.state.person
        pages.catalog.table(name)
        seen = await run_in_threadpool(look, person, name, sequence, line)
        return show_place(request, pages, name, (sequence, line), seen=seen)

    return router


def _parse(pages: Pages, fields: dict[str, str]) -> dict[str, Any]:
    """What the DAG run is told; raises HTTPException for what no form of ours sends."""
    names = ("feed", "table", "act", "why", "reason")
    told: dict[str, Any] = {name: fields.get(name) for name in names}
    try:
        told |= {name: _number(fields.get(name)) for name in ("sequence", "line")}
    except ValueError:
        raise HTTPException(422) from None
    is_known = told["act"] in ACTS and told["why"] in WHY
    is_place = told["feed"] and told["sequence"] is not None and told["line"] is not None
    if not is_known or not _quarantine(pages, told) or not (is_place or _waits(pages, told)):
        raise HTTPException(422)
    return told if not is_place else told | {"reason": None}


def _waits(pages: Pages, told: dict[str, Any]) -> bool:
    """Whether something waits for this reason: words that nobody showed may be a patient's."""
    known = list_waiting(pages.state, pages.catalog, _quarantine(pages, told))
    return told["reason"] in {waiting.reason for waiting in known}


def _quarantine(pages: Pages, told: dict[str, Any]) -> str | None:
    """Where what a form names waits: of one feed, or of one built table."""
    if told["table"] is None:
        feed = pages.catalog.feeds.get(str(told["feed"]))
        return feed.quarantine if feed else None
    built = {table.name: table.quarantine().name for table in pages.catalog.models()}
    return None if told["feed"] else built.get(told["table"])


def _number(text: str | None) -> int | None:
    return int(text) if text else None
