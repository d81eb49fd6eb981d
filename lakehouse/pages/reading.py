"""The pages that only show."""

from datetime import UTC, datetime

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from lakehouse.answers.catalogue import describe_table, list_tables
from lakehouse.answers.feeds import FeedState, list_decisions, list_feeds
from lakehouse.answers.lineage import draw_lineage
from lakehouse.answers.quarantine import PAGE as PLACES
from lakehouse.answers.quarantine import find_place, list_acts, list_places, list_waiting
from lakehouse.answers.runs import PAGE as RUNS
from lakehouse.answers.runs import describe_run, follow_object, list_runs
from lakehouse.answers.upkeep import tell_upkeep
from lakehouse.catalog.acts import WHY
from lakehouse.catalog.policy import SEE
from lakehouse.pages.app import Pages
from lakehouse.pages.draw import arrange

_Start = Query(0, ge=0, le=10**9)


def routes(pages: Pages) -> APIRouter:
    """All of them, each for who may see."""
    router = APIRouter(tags=[SEE])
    for add in (_feeds, _tables, _quarantine, _runs, _upkeep, _entrances):
        add(router, pages)
    return router


def _known_feeds(pages: Pages) -> list[FeedState]:
    catalog = pages.catalog
    soon = pages.wiring.next_runs([feed.dag_id for feed in catalog.feeds.values()])
    return list_feeds(pages.state, catalog, datetime.now(UTC), soon)


def _feeds(router: APIRouter, pages: Pages) -> None:
    @router.get("/feeds")
    def feeds(request: Request) -> HTMLResponse:
        return pages.show(request, "feeds", feeds=_known_feeds(pages))

    @router.get("/feeds/{name}")
    def feed(request: Request, name: str) -> HTMLResponse:
        found = [feed for feed in _known_feeds(pages) if feed.name == name]
        if not found:
            raise HTTPException(404)
        quarantine = pages.catalog.feeds[name].quarantine
        waiting = list_waiting(pages.state, pages.catalog, quarantine)
        made = list_decisions(pages.state, name)
        told = {"waiting": waiting, "quarantine": quarantine, "decisions": made}
        return pages.show(request, "feed", feed=found[0], **told)


def _tables(router: APIRouter, pages: Pages) -> None:
    @router.get("/catalogue")
    def catalogue(request: Request, words: str = Query("", max_length=200)) -> HTMLResponse:
        tables = list_tables(pages.state, pages.catalog, words)
        return pages.show(request, "catalogue", tables=tables, words=words)

    @router.get("/tables/{name}")
    def table(request: Request, name: str) -> HTMLResponse:
        detail = describe_table(pages.state, pages.catalog, name)
        return pages.show(request, "table", detail=detail, table=detail.state)

    @router.get("/lineage")
    def lineages(request: Request) -> HTMLResponse:
        tables = [t for t in list_tables(pages.state, pages.catalog) if t.kind == "built"]
        return pages.show(request, "lineages", tables=tables)

    @router.get("/lineage/{name}")
    def lineage(request: Request, name: str) -> HTMLResponse:
        graph = draw_lineage(pages.state, pages.catalog, name)
        table = pages.catalog.table(".".join(name.split(".")[:2]))
        picture = arrange(graph)
        return pages.show(request, "lineage", graph=graph, picture=picture, table=table)


def _quarantine(router: APIRouter, pages: Pages) -> None:
    @router.get("/quarantine")
    def quarantine(request: Request) -> HTMLResponse:
        waiting = list_waiting(pages.state, pages.catalog)
        acts = list_acts(pages.state, most=10)
        return pages.show(request, "quarantine", waiting=waiting, acts=acts)

    @router.get("/quarantine/{name}")
    def places(
        request: Request, name: str, reason: str | None = Query(None, max_length=400),
        start: int = _Start,
    ) -> HTMLResponse:  # fmt: skip
        pages.catalog.table(name)
        found = list_places(pages.state, name, reason, start)
        built = {table.quarantine().name: table.name for table in pages.catalog.models()}
        of = {"feed": _feed_of(pages, name), "table": built.get(name)}
        return pages.show(request, "places", places=found, page=PLACES, whys=WHY, name=name, **of)

    @router.get("/quarantine/{name}/{sequence}/{line}")
    def place(request: Request, name: str, sequence: int, line: int) -> HTMLResponse:
        return show_place(request, pages, name, (sequence, line))

    @router.get("/acts")
    def acts(request: Request, started: str = Query("", max_length=100)) -> HTMLResponse:
        return pages.show(request, "acts", acts=list_acts(pages.state), started=started)


def show_place(
    request: Request, pages: Pages, name: str, place: tuple[int, int], **more: object
) -> HTMLResponse:
    """The page of one place; with its content where that was looked at."""
    sequence, line = place
    found = find_place(pages.state, name, sequence, line)
    if not found:
        raise HTTPException(404)
    told = {"seen": None} | more
    feed = _feed_of(pages, name)
    return pages.show(request, "place", rows=found, name=name, feed=feed, whys=WHY, **told)


def _feed_of(pages: Pages, quarantine: str) -> str | None:
    feeds = pages.catalog.feeds.values()
    return next((feed.name for feed in feeds if feed.quarantine == quarantine), None)


def _runs(router: APIRouter, pages: Pages) -> None:
    @router.get("/runs")
    def runs(
        request: Request, table: str | None = Query(None, max_length=200),
        outcome: str | None = Query(None, max_length=200), start: int = _Start,
    ) -> HTMLResponse:  # fmt: skip
        found = list_runs(pages.state, table=table or None, outcome=outcome or None, start=start)
        told = {"table": table or "", "outcome": outcome or "", "start": start, "page": RUNS}
        return pages.show(request, "runs", runs=found, **told)

    @router.get("/runs/{run_id}")
    def run(request: Request, run_id: str) -> HTMLResponse:
        found = describe_run(pages.state, run_id)
        if found is None:
            raise HTTPException(404)
        return pages.show(request, "run", detail=found, run=found.run)

    @router.get("/objects/{object_id}")
    def landed(request: Request, object_id: str) -> HTMLResponse:
        steps = follow_object(pages.state, object_id)
        if not steps:
            raise HTTPException(404)
        return pages.show(request, "object", steps=steps, object_id=object_id)


def _upkeep(router: APIRouter, pages: Pages) -> None:
    @router.get("/upkeep")
    def upkeep(request: Request) -> HTMLResponse:
        return pages.show(request, "upkeep", told=tell_upkeep(pages.state, pages.catalog))


def _entrances(router: APIRouter, pages: Pages) -> None:
    """Where Airflow's own pages link to: from the navigation, a DAG or a task."""

    def to(request: Request, path: str) -> RedirectResponse:
        return RedirectResponse(f"{request.scope.get('root_path', '')}{path}", 303)

    @router.get("/")
    def home(request: Request) -> RedirectResponse:
        return to(request, "/feeds")

    @router.get("/dag/{dag_id}")
    def dag(request: Request, dag_id: str) -> RedirectResponse:
        feeds = pages.catalog.feeds.values()
        feed = next((f.name for f in feeds if dag_id in (f.dag_id, f.question_dag_id)), None)
        places = {"refine": "/catalogue", "quarantine": "/quarantine", "govern": "/upkeep"}
        places |= {"watch": "/feeds", "backfill": "/acts"}
        return to(request, f"/feeds/{feed}" if feed else places.get(dag_id, "/runs"))

    @router.get("/dag/{dag_id}/{task_id}")
    def task(request: Request, dag_id: str, task_id: str) -> RedirectResponse:
        if task_id in pages.catalog.tables:
            return to(request, f"/tables/{task_id}")
        return dag(request, dag_id)
