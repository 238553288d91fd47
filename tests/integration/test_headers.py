"""What answers tell browsers beside their content, on every kind of route."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from tests.conftest import Api
from tests.support.instances import Instance, api_on

STRICT = "default-src 'none'; frame-ancestors 'none'"


async def test_the_management_api_is_for_programs_and_kept_by_nobody(api: Api) -> None:
    paths = ("/segments", "/segments/none", "/nothing", "/profiles/user_id:nobody")
    for answer in [await api.call("GET", path) for path in paths]:
        headers = answer.headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["content-security-policy"] == STRICT
        assert headers["cache-control"] == "no-store"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "strict-transport-security" not in headers
        assert not [name for name in headers if name.startswith("access-control")]
        assert "set-cookie" not in headers
    assert (await api.client.get("/api/v1/segments")).headers["cache-control"] == "no-store"


async def test_everything_else_is_not_sniffed_either(api: Api) -> None:
    key = api.instance.keys["write_key"]
    gets = ("/docs", "/openapi.json", "/health/live", "/metrics", "/p.js", "/nothing")
    gets += (f"/v1/projects/{key}/settings", "/v1/pixel/page", "/static-offline-docs/favicon.png")
    answers = [await api.client.get(path) for path in gets]
    answers.append(await api.send("/v1/track", {"userId": "a"}))
    answers.append(await api.client.post("/v1/track", content=b"{"))
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff", answer.url
        assert "set-cookie" not in answer.headers


async def test_a_request_has_an_id_and_may_bring_its_own(api: Api) -> None:
    path = "/api/v1/segments"
    first, second = [(await api.client.get(path)).headers["x-request-id"] for _ in range(2)]
    assert first != second
    for given, kept in {"job-7.a_B": True, "a b": False, "x" * 65: False, "<b>": False}.items():
        answer = await api.client.get(path, headers={"x-request-id": given})
        assert (answer.headers["x-request-id"] == given) == kept


@pytest.fixture
async def proxied(instance: Instance) -> AsyncIterator[Api]:
    """Behind a proxy whose word counts."""
    settings = replace(instance.settings, trusted_proxies="203.0.113.7")
    async with api_on(replace(instance, settings=settings)) as made:
        yield made


async def test_https_is_insisted_on_only_where_it_is(api: Api, proxied: Api) -> None:
    told = {"x-forwarded-proto": "https"}
    believed = await proxied.client.get("/api/v1/segments", headers=told)
    assert believed.headers["strict-transport-security"] == "max-age=31536000"
    assert "strict-transport-security" not in (await proxied.client.get("/docs")).headers
    unknown = await api.client.get("/api/v1/segments", headers=told)
    assert "strict-transport-security" not in unknown.headers


async def test_the_documentation_page_runs_its_own_scripts_and_no_others(api: Api) -> None:
    answer = await api.client.get("/docs")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    (scripts,) = (each for each in policy.split("; ") if each.startswith("script-src"))
    assert scripts.startswith("script-src 'self' 'sha256-")
    assert "unsafe" not in scripts
    assert "http" not in policy
    assert "//" not in answer.text.replace("\n", "")
