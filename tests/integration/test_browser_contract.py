"""What browsers and SDKs ask before they send: preflights, settings, configuration, scripts."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Api
from tests.support.instances import Instance, api_on

ORIGIN = "https://shop.example"
SEEN = (
    "authorization,content-type,x-retry-count,anonymousid,sentat,rsa-recovered,rsa-retry-attempt,"
    "rsa-retry-reason,rsa-since-first-attempt,rsa-since-last-attempt,x-write-key,x-ip-policy"
)
PATHS = [
    *("/v1/track", "/v1/t", "/v1/batch", "/v1/b", "/b", "/v1/m", "/v1/merge", "/beacon/v1/batch"),
    *("/api/s/page", "/api/s/s2s/event", "/v1/projects/x/settings", "/sourceConfig/"),
    *("/sourceConfig", "/v1/pixel/page", "/analytics.js/v1/x/analytics.min.js", "/p.js"),
]


def is_open_to(origin: str, answer: Any) -> bool:
    headers = answer.headers
    return (
        headers["access-control-allow-origin"],
        headers["access-control-allow-credentials"],
        headers["vary"],
    ) == (origin, "true", "Origin")


async def test_every_route_answers_preflights(api: Api) -> None:
    for path in PATHS:
        headers = {
            "origin": ORIGIN,
            "access-control-request-method": "POST",
            "access-control-request-headers": SEEN,
        }
        answer = await api.client.options(path, headers=headers)
        assert answer.status_code == 200
        assert is_open_to(ORIGIN, answer)
        assert answer.headers["access-control-allow-methods"] == "GET, HEAD, POST, OPTIONS"
        assert answer.headers["access-control-allow-headers"] == SEEN
        assert answer.headers["access-control-max-age"] == "600"


async def test_any_answer_can_be_read_by_the_page_that_asked(api: Api) -> None:
    for origin in (ORIGIN, "null", "http://localhost:3000"):
        good = await api.send("/v1/p", {}, origin=origin)
        bad = await api.client.post("/v1/p", content=b"{", headers={"origin": origin})
        gone = await api.client.get("/v1/projects/unknown/settings", headers={"origin": origin})
        assert [each.status_code for each in (good, bad, gone)] == [200, 400, 404]
        for answer in (good, bad, gone):
            assert is_open_to(origin, answer)
            assert answer.headers["access-control-expose-headers"] == "Retry-After"


async def test_nothing_is_said_to_who_is_no_page_and_the_api_is_for_no_page(api: Api) -> None:
    plain = await api.send("/v1/p", {})
    assert not [name for name in plain.headers if name.startswith("access-control")]
    preflight = await api.client.options("/v1/p")
    assert preflight.status_code == 200
    assert "access-control-allow-origin" not in preflight.headers
    answer = await api.client.get("/api/v1/segments", headers={"origin": ORIGIN})
    assert (answer.status_code, answer.headers["www-authenticate"][:6]) == (401, "Bearer")
    assert "access-control-allow-origin" not in answer.headers
    assert (await api.client.options("/api/v1/segments")).status_code == 405


async def test_errors_are_what_sdks_understand(api: Api) -> None:
    """With both `code` and `message`: RudderStack's Python SDK retries any other 400."""
    for answer, status in (
        (await api.client.post("/v1/track", content=b"{"), 400),
        (await api.client.get("/v1/track"), 405),
        (await api.client.post("/v1/nothing", content=b"{}"), 404),
        (await api.client.get("/p.js"), 404),
    ):
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/json"
        assert set(answer.json()) == {"code", "message"}


async def test_segments_clients_get_their_settings(api: Api) -> None:
    key = api.instance.keys["write_key"]
    answer = await api.client.get(f"/v1/projects/{key}/settings")
    assert answer.status_code == 200
    settings = answer.json()
    ours = settings["integrations"]["Segment.io"]
    assert (ours["apiKey"], ours["apiHost"], ours["protocol"]) == (key, "cdp.test/v1", "http")
    assert settings["metrics"] == {"sampleRate": 0}
    assert (await api.client.get("/v1/projects/unknown/settings")).status_code == 404


async def test_rudderstacks_client_gets_its_configuration(api: Api) -> None:
    key = api.instance.keys["write_key"]
    basic = {"authorization": "Basic " + base64.b64encode(f"{key}:".encode()).decode()}
    for path in ("/sourceConfig/", "/sourceConfig"):
        for headers in (basic, {}):
            query = {"p": "web", "v": "3.34.0"} | ({} if headers else {"writeKey": key})
            answer = await api.client.get(path, params=query, headers=headers)
            assert answer.status_code == 200
            source = answer.json()["source"]
            assert (source["writeKey"], source["enabled"]) == (key, True)
            assert (source["destinations"], type(source["config"])) == ([], dict)
        head = await api.client.head(path, params={"view": "ad"})
        assert (head.status_code, head.content) == (200, b"")
        assert (await api.client.get(path, params={"writeKey": "unknown"})).status_code == 404
        assert (await api.client.get(path)).status_code == 404


@pytest.fixture
async def public(instance: Instance, tmp_path: Path) -> AsyncIterator[Api]:
    """A platform with a public address that serves SDKs."""
    for package in ("@segment/analytics-next/dist/umd", "@jitsu/js/dist/web"):
        (tmp_path / package).mkdir(parents=True)
    (tmp_path / "@segment/analytics-next/dist/umd/standalone.js").write_text("segment()")
    (tmp_path / "@jitsu/js/dist/web/p.js.txt").write_text("jitsu()")
    settings = replace(instance.settings, public_url="https://cdp.example", sdk_dir=tmp_path)
    async with api_on(replace(instance, settings=settings)) as made:
        yield made


async def test_the_public_address_and_the_scripts_an_operator_installed(public: Api) -> None:
    key = public.instance.keys["write_key"]
    settings = (await public.client.get(f"/v1/projects/{key}/settings")).json()
    ours = settings["integrations"]["Segment.io"]
    assert (ours["apiHost"], ours["protocol"]) == ("cdp.example/v1", "https")
    paths = {f"/analytics.js/v1/{key}/analytics.min.js": "segment()", "/p.js": "jitsu()"}
    for path, script in paths.items():
        answer = await public.client.get(path, headers={"origin": ORIGIN})
        assert (answer.status_code, answer.text) == (200, script)
        assert answer.headers["content-type"].startswith("application/javascript")
        assert is_open_to(ORIGIN, answer)


async def test_scripts_nobody_installed_are_not_there(api: Api) -> None:
    for path in ("/analytics.js/v1/x/analytics.min.js", "/p.js"):
        assert (await api.client.get(path)).status_code == 404
