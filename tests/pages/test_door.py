"""Who gets in where: every route that the app has, for every role that policy.yml knows."""

from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from lakehouse.catalog.policy import RIGHTS, Policy
from lakehouse.errors import SpecError
from lakehouse.pages.app import make_app
from lakehouse.pages.guard import ANYBODY, HEADERS, form_token, needed
from lakehouse.settings import PROJECT, Settings
from tests.pages.house import FEED, PEOPLE, QUARANTINE, House, address, wiring_for

SHIPPED = PROJECT / "sql" / "policy.yml"
ACT = {"feed": FEED, "act": "replay", "why": "test data", "sequence": "1", "line": "3"}


def routes(settings: Settings) -> list[tuple[str, str, str | None]]:
    """Each route and method of the app with the right that it needs, as the app itself has them."""
    return [
        (method, route.path, needed(route))
        for route in all_routes(make_app(wiring_for(settings)))
        for method in sorted(route.methods or ())
    ]


def all_routes(app: Any) -> list[Any]:
    """Also those of included routers, however FastAPI keeps them."""
    listed: list[Any] = []
    for route in app.routes:
        inner = getattr(route, "original_router", None)
        listed += all_routes(inner) if inner is not None else [route]
    return listed


def test_every_route_needs_a_right_that_policy_knows(filled: Settings) -> None:
    found = routes(filled)
    assert len(found) > 18
    assert {right for _, _, right in found} == {*RIGHTS, ANYBODY}
    assert {path for _, path, right in found if right == ANYBODY} == {"/static/{name}"}
    assert {path for method, path, _ in found if method == "POST"} == {
        path for _, path, right in found if right in ("act", "content")
    }


def answer(house: House, method: str, route: str, who: str) -> int:
    path = address(house, route)
    if method == "POST":
        return int(house.post(path, who, **ACT).status_code)
    return int(house.get(path, who).status_code)


def test_nobody_gets_anything_without_signing_in(house: House) -> None:
    for method, route, _ in routes(house.settings):
        assert answer(house, method, route, "stranger") == 401, route
    for path in ("/docs", "/redoc", "/openapi.json", "/nothing"):
        assert house.get(path, "stranger").status_code in (401, 404)


@pytest.mark.parametrize("who", PEOPLE)
def test_a_person_gets_what_the_roles_of_policy_allow(house: House, who: str) -> None:
    rights = Policy.read(house.settings.policy).rights_of(PEOPLE[who].name, PEOPLE[who].groups)
    for method, route, right in routes(house.settings):
        expected = (200, 303) if right == ANYBODY or right in rights else (403,)
        assert answer(house, method, route, who) in expected, (method, route)
    if "act" not in rights:
        assert house.started == []
    if "content" not in rights:
        assert house.looked == []


def test_a_route_that_says_nothing_of_a_right_lets_nobody_in(filled: Settings) -> None:
    app = make_app(wiring_for(filled))
    app.get("/forgotten")(lambda: "open")
    app.get("/unknown", tags=["everything"])(lambda: "open")
    client = TestClient(app)
    for path in ("/forgotten", "/unknown"):
        assert client.get(path, headers={"x-person": "steward"}).status_code == 403
        assert client.get(path).status_code == 401


def test_who_has_no_role_is_told_where_to_get_one(house: House) -> None:
    told = house.get("/feeds", "nobody")
    assert told.status_code == 403
    assert "policy.yml" in told.text


def test_every_answer_forbids_scripts_and_frames_of_others(house: House) -> None:
    for path in ("/feeds", "/nothing", "/tables/no.such", "/static/pages.css", "/runs?start=x"):
        for who in ("steward", "nobody", "stranger"):
            headers = house.get(path, who).headers
            assert {name: headers.get(name) for name in HEADERS} == dict(HEADERS), (path, who)
    policy = HEADERS["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


FORGED = [
    ("no token", {"token": "x"}, {}),
    ("somebody else's token", {"token": "OTHER"}, {}),
    ("from another site", {}, {"sec-fetch-site": "cross-site"}),
    ("from a sister site", {}, {"sec-fetch-site": "same-site"}),
    ("from another origin", {}, {"origin": "https://evil.example"}),
    ("from a sandbox", {}, {"origin": "null"}),
]


@pytest.mark.parametrize(("fields", "headers"), [f[1:] for f in FORGED], ids=[f[0] for f in FORGED])
def test_a_form_that_no_page_of_ours_showed_does_nothing(
    house: House, fields: dict[str, str], headers: dict[str, str]
) -> None:
    tokens = {name: form_token(house.wiring, person) for name, person in PEOPLE.items()}
    form = {"token": tokens["steward"], **ACT, **fields}
    if form["token"] == "OTHER":
        form["token"] = tokens["operator"]
    for path in ("/acts", f"/quarantine/{QUARANTINE}/1/3/content"):
        told = house.client.post(path, data=form, headers={"x-person": "steward", **headers})
        assert told.status_code == 403
    assert (house.started, house.looked) == ([], [])


def test_a_form_may_be_a_day_old(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("lakehouse.pages.guard._today", lambda: "2020-01-01")
        old = form_token(house.wiring, PEOPLE["steward"])
    assert house.post("/acts", token=old, **ACT).status_code == 403


def test_a_form_of_endless_size_is_refused(house: House) -> None:
    assert house.post("/acts", **ACT, more="x" * 20_000).status_code == 413


def test_the_shipped_policy_lets_the_first_account_act_but_not_look_and_nobody_else_anything() -> (
    None
):
    policy = Policy.read([SHIPPED])
    assert policy.roles_of("admin", ["admin", "Admin"]) == ("operator",)
    assert policy.rights_of("admin", ["admin"]) == {"see", "act"}
    assert policy.rights_of("jane", ["Admin", "op", "viewer", "User"]) == frozenset()


def test_a_hospitals_policy_adds_roles_and_says_itself_who_has_them(tmp_path: Path) -> None:
    own = tmp_path / "policy.yml"
    own.write_text("roles: {night: {may: [see, act]}}\nairflow: {groups: {ward: [night, viewer]}}")
    policy = Policy.read([SHIPPED, own])
    assert policy.rights_of("admin", []) == frozenset()
    assert policy.roles_of("jane", ["ward"]) == ("night", "viewer")
    assert policy.rights_of("jane", ["ward"]) == {"see", "act"}


WRONG = {
    "a word": "it has `roles`",
    "rolls: {}": "it has `roles`",
    "roles: [a]": "roles has names",
    "roles: {a: {}}": "the role a may",
    "roles: {a: {may: [fly]}}": "the role a may",
    "roles: {a: {may: see}}": "the role a may",
    "airflow: {people: {}}": "airflow has `users`",
    "airflow: {users: {jane: viewer}}": "jane has a list of roles",
    "airflow: {users: {jane: [boss]}}": "jane has a list of roles",
    "{": "cannot be read",
}


@pytest.mark.parametrize(("text", "told"), WRONG.items())
def test_a_wrong_policy_is_refused_by_name(tmp_path: Path, text: str, told: str) -> None:
    own = tmp_path / "policy.yml"
    own.write_text(text)
    with pytest.raises(SpecError, match=told) as caught:
        Policy.read([SHIPPED, own])
    assert str(own) in str(caught.value)
