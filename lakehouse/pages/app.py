"""The app: its routes, each behind the same door, and how an answer becomes a page."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from lakehouse.catalog.load import Catalog
from lakehouse.errors import LakehouseError, PolicyError, SpecError
from lakehouse.pages import draw, words
from lakehouse.pages.guard import ANYBODY, add_headers, admission, declared_well, form_token
from lakehouse.pages.wiring import Wiring
from lakehouse.settings import Settings
from lakehouse.state.store import State, open_state

_HERE = Path(__file__).parent
_STATIC = {"pages.css": "text/css", "theme.js": "text/javascript"}
_SHOWN = (
    words.number, words.size, words.duration, words.instant, words.share, words.breakable,
)  # fmt: skip
_SAID = {
    401: "You are not signed in.",
    403: "Your role does not allow this.",
    404: "There is no such page.",
    413: "That is too much for a form.",
    422: "The address or the form is not right.",
}


class Declared:
    """The catalogue, read again when a file that declares something has changed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._seen: tuple[tuple[str, int], ...] = ()
        self._catalog: Catalog | None = None

    def now(self) -> Catalog:
        """The catalogue as the files have it."""
        seen = tuple(self._files())
        if self._catalog is None or seen != self._seen:
            self._catalog = Catalog.of(self._settings)
            self._seen = seen
        return self._catalog

    def _files(self) -> list[tuple[str, int]]:
        found = [(str(self._settings.feeds), self._settings.feeds.stat().st_mtime_ns)]
        for root in self._settings.sql:
            for folder, _, names in os.walk(root):
                places = (os.path.join(folder, name) for name in names)  # noqa: PTH118 (quick)
                found += [(place, os.stat(place).st_mtime_ns) for place in places]  # noqa: PTH116
        return sorted(found)


class Pages:
    """What every route uses: the wiring, the declarations, the state and the templates."""

    def __init__(self, wiring: Wiring) -> None:
        self.wiring = wiring
        self._declared = Declared(wiring.settings)
        self._templates = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        for shown in _SHOWN:
            self._templates.filters[shown.__name__] = shown
        self._templates.globals["spark"] = draw.spark

    @property
    def catalog(self) -> Catalog:
        """What is declared now; raises StoreError where that is wrong."""
        with declared_well():
            return self._declared.now()

    @property
    def state(self) -> State:
        """The state of the lake."""
        return open_state(self.wiring.settings)

    def show(
        self, request: Request, template: str, status: int = 200, /, **values: Any
    ) -> HTMLResponse:
        """The page of a template."""
        person = getattr(request.state, "person", None)
        told = {
            "root": request.scope.get("root_path", ""),
            "path": request.url.path,
            "person": person,
            "roles": getattr(request.state, "roles", ()),
            "rights": getattr(request.state, "rights", frozenset()),
            "token": form_token(self.wiring, person) if person else "",
            "ago": partial(words.ago, now=datetime.now(UTC)),
        }
        text = self._templates.get_template(f"{template}.html").render(told | values)
        return HTMLResponse(text, status)


def make_app(wiring: Wiring) -> FastAPI:
    """The app with all its routes; whoever is not signed in gets 401 from each of them."""
    from lakehouse.pages import acting, reading

    app = FastAPI(
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        dependencies=[Depends(admission(wiring))],
    )
    pages = Pages(wiring)
    app.middleware("http")(add_headers)
    app.get("/static/{name}", tags=[ANYBODY])(_static)
    app.include_router(reading.routes(pages))
    app.include_router(acting.routes(pages))
    _answer_errors(app, pages)
    return app


def _static(name: str) -> Response:
    if name not in _STATIC:
        raise HTTPException(404)
    kind = _STATIC[name]
    return Response((_HERE / "static" / name).read_bytes(), media_type=kind)


Handler = Callable[[Request, Exception], HTMLResponse]


def _answer_errors(app: FastAPI, pages: Pages) -> None:
    def refuse(request: Request, error: Exception) -> HTMLResponse:
        status = getattr(error, "status_code", 422)
        said = _SAID.get(status, "That cannot be done.")
        return pages.show(request, "error", status, said=said, hint="")

    def explain(request: Request, error: Exception) -> HTMLResponse:
        kinds = ((SpecError, 404), (PolicyError, 403))
        status = next((status for kind, status in kinds if isinstance(error, kind)), 503)
        said, hint = getattr(error, "message", ""), getattr(error, "hint", "")
        return pages.show(request, "error", status, said=said, hint=hint)

    app.add_exception_handler(HTTPException, refuse)
    app.add_exception_handler(404, refuse)
    app.add_exception_handler(405, refuse)
    app.add_exception_handler(RequestValidationError, refuse)
    app.add_exception_handler(LakehouseError, explain)
