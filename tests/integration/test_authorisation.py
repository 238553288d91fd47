"""Every route with every scope: the table in docs/security.md is what holds, to the route."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from fastapi import APIRouter

from cdp.api.auth import SCOPES
from cdp.collect import keys
from cdp.preferences.token import SCOPES as LINK_SCOPES
from tests.conftest import Api
from tests.support.instances import Instance, api_on

PAGE = Path(__file__).parents[2] / "docs" / "security.md"
ROW = re.compile(r"^\| `(GET|PUT|POST|DELETE) (/[^`]*)` \| `([a-z:]+)` \|$", re.MULTILINE)
# Of the preference centre: who has a token may, whoever that is.
OPEN_ROW = re.compile(r"^\| `(/preferences/[^`]*)` \| ([A-Z, ]+) \| `([a-z]+)` \|$", re.MULTILINE)
SOMEBODY = {"ref": "user_id:nobody", "key": "nothing", "trial": "0" * 32, "request": "0" * 32}
SOMEBODY["source"] = "1"
SOMEBODY["cluster"] = "c1"


class Guarded(NamedTuple):
    """A route of the management API, and the scope that it takes."""

    method: str
    path: str
    scope: str

    @property
    def address(self) -> str:
        """With a name for everything that the path names."""
        return re.sub(r"\{(\w+)\}", lambda match: SOMEBODY[match[1]], self.path)


TABLE = [Guarded(*row) for row in ROW.findall(PAGE.read_text())]
OPEN = OPEN_ROW.findall(PAGE.read_text())
MANAGED = [row for row in TABLE if row.path != "/metrics"]


def routes_of(router: Any) -> Iterator[tuple[str, str]]:
    """Method and path of whatever a router can be asked, however it came to be in there."""
    for route in router.routes:
        inner = getattr(route, "original_router", None) or getattr(route, "router", None)
        if isinstance(inner, APIRouter):
            yield from routes_of(inner)
        for method in getattr(route, "methods", None) or ():
            yield method, route.path_format


@pytest.fixture
async def scoped(api: Api) -> AsyncIterator[Api]:
    """An API with a key for every scope, named after it, and one for everything."""
    async with api.instance.core.database.transaction() as connection:
        for scope in (*SCOPES, "*"):
            await keys.add_api_key(connection, scope, f"cdp_{scope}", [scope])
    yield api


async def status(api: Api, row: Guarded, authorization: str) -> int:
    headers = {"authorization": authorization} if authorization else {}
    answer = await api.client.request(row.method, row.address, headers=headers, content=b"{")
    return answer.status_code


async def test_the_table_has_every_route_and_no_other(api: Api) -> None:
    served = {
        (method, path) for method, path in routes_of(api.app.router) if path.startswith("/api/v1/")
    }
    assert len(served) > 25
    assert {(row.method, row.path) for row in MANAGED} == served
    assert {row.scope for row in TABLE} == set(SCOPES)


async def test_what_a_link_opens_is_told_and_takes_no_key(api: Api) -> None:
    served: dict[str, set[str]] = {}
    for method, path in routes_of(api.app.router):
        if path.startswith("/preferences/") and method not in {"HEAD", "OPTIONS"}:
            served.setdefault(path, set()).add(method)
    told = {path: (set(methods.split(", ")), scope) for path, methods, scope in OPEN}
    assert {path: methods for path, (methods, _) in told.items()} == served
    assert [scope for _, _, scope in OPEN] == list(LINK_SCOPES)
    described = api.app.openapi()["paths"]
    for path, methods in served.items():
        for method in methods:
            assert described[path][method.lower()]["security"] == []


async def test_the_description_tells_each_routes_scope(api: Api) -> None:
    described = api.app.openapi()["paths"]
    for row in MANAGED:
        operation = described[row.path][row.method.lower()]
        assert operation["security"] == [{"apiKey": [row.scope]}]
        assert f"`{row.scope}`" in operation["description"]


async def test_without_a_key_or_with_an_unknown_one_nothing_opens(api: Api) -> None:
    first = api.instance.keys
    wrong = ["", "Bearer", "Bearer ", f"Basic {first['api_key']}", first["api_key"]]
    wrong += ["Bearer cdp_guess", f"Bearer {first['write_key']}", f"Bearer {first['api_key']}x"]
    for row in MANAGED:
        refused = {await status(api, row, authorization) for authorization in wrong[:5]}
        assert refused == {401}, row
    most = api.instance.settings.rate_failures
    guesses = list(zip(MANAGED, wrong[5:] * len(MANAGED), strict=False))
    for number, some in enumerate(batched(guesses, most)):
        async with elsewhere(api, f"203.0.113.{100 + number}") as caller:
            for row, authorization in some:
                assert await status(caller, row, authorization) == 401, (row, authorization)


@asynccontextmanager
async def elsewhere(api: Api, address: str) -> AsyncIterator[Api]:
    """The same API, called from another address."""
    transport = httpx.ASGITransport(api.app, client=(address, 5000))
    async with httpx.AsyncClient(transport=transport, base_url="http://cdp.test") as client:
        yield replace(api, client=client)


def batched(what: list[Any], size: int) -> Iterator[list[Any]]:
    for first in range(0, len(what), size):
        yield what[first : first + size]


@pytest.mark.parametrize("scope", SCOPES)
async def test_a_scope_opens_its_routes_and_no_other(scoped: Api, scope: str) -> None:
    for row in MANAGED:
        answered = await status(scoped, row, f"Bearer cdp_{scope}")
        assert (answered == 403) == (row.scope != scope), row
        assert answered not in {401, 429, 500}


async def test_a_key_for_everything_opens_everything(scoped: Api) -> None:
    for row in MANAGED:
        assert await status(scoped, row, "Bearer cdp_*") in {200, 204, 400, 404, 409}, row


async def test_an_api_key_does_not_open_the_collector(instance: Instance) -> None:
    settings = replace(instance.settings, strict_keys=True)
    async with api_on(replace(instance, settings=settings)) as api:
        posts = [path for method, path in routes_of(api.app.router) if method == "POST"]
        # these have tests of their own
        others = ("/api/v1/", "/preferences/", "/v1/m", "/push/", "/bounces/")
        posts = [path for path in posts if not path.startswith(others) or path == "/v1/merge"]
        assert len(posts) > 25
        key = {"x-write-key": instance.keys["api_key"]}
        for path in posts:
            refused = await api.client.post(path, json={"anonymousId": "a"}, headers=key)
            assert refused.status_code == 401, path
            taken = await api.send(path, {"anonymousId": "a"})
            assert taken.status_code == 200, path


async def test_metrics_are_open_unless_the_settings_close_them(
    scoped: Api, instance: Instance
) -> None:
    assert (await scoped.client.get("/metrics")).status_code == 200
    settings = replace(instance.settings, open_metrics=False)
    async with api_on(replace(instance, settings=settings)) as closed:
        (row,) = (row for row in TABLE if row.path == "/metrics")
        assert await status(closed, row, "") == 401
        for scope in (*SCOPES, "*"):
            expected = 200 if scope in {"metrics:read", "*"} else 403
            assert await status(closed, row, f"Bearer cdp_{scope}") == expected
