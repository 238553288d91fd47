"""Pages of the preference centre as doors: policy, language, brand, rates, and what is not told."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from tests.conftest import Api
from tests.support.instances import Instance, api_on
from tests.support.preferences import (
    JSON,
    ONE_CLICK,
    mint,
    opt_in,
    path,
)


async def test_every_page_is_private_and_under_a_strict_policy(api: Api) -> None:
    links, asked = await mint(api), await opt_in(api)
    where = [links["url"], links["unsubscribe_url"], asked["url"], "/preferences/damaged"]
    for each in map(path, where):
        got, head = await api.client.get(each), await api.client.head(each)
        assert got.status_code == head.status_code
        for answer in (got, head):
            headers = answer.headers
            assert headers["cache-control"] == "no-store"
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["x-robots-tag"] == "noindex, nofollow"
            assert headers["x-content-type-options"] == "nosniff"
            policy = headers["content-security-policy"]
            assert policy.startswith("default-src 'none'; style-src 'sha256-")
            assert "frame-ancestors 'none'" in policy
            assert "form-action 'self'" in policy
            assert "script-src" not in policy
            assert "unsafe" not in policy
            assert "set-cookie" not in headers
        assert "<script" not in got.text
        assert not re.findall(r'(?:src|href)="(?!\?lang=|data:)[^"]*"', got.text)
        assert "ada@example.com" not in got.text


@pytest.mark.parametrize(
    ("accepted", "asked", "code"),
    [
        ("", "", "en"),
        ("de-AT,de;q=0.9,en;q=0.8", "", "de"),
        ("nl, fr;q=0.5, en;q=0.1", "", "fr"),
        ("en;q=0.1, es", "", "es"),
        ("en;q=0, zh", "", "en"),
        ("de", "fr", "fr"),
        ("de", "xx", "de"),
        (";;q=,*;q=x", "", "en"),
    ],
)
async def test_the_language_is_the_readers(api: Api, accepted: str, asked: str, code: str) -> None:
    for where in (path((await mint(api))["url"]), "/preferences/damaged"):
        address = f"{where}?lang={asked}" if asked else where
        answer = await api.client.get(address, headers={"accept-language": accepted})
        assert f'<html lang="{code}">' in answer.text
        assert answer.headers["content-language"] == code


async def test_errors_are_pages_for_people_and_problems_for_programs(api: Api) -> None:
    page = await api.client.get("/preferences/damaged", headers={"accept-language": "es"})
    assert (page.status_code, "Este enlace no funciona" in page.text) == (404, True)
    told = await api.client.get("/preferences/damaged", headers=JSON)
    assert told.headers["content-type"] == "application/problem+json"
    assert told.headers["access-control-allow-origin"] == "*"
    assert told.json()["status"] == 404
    answer = await api.client.delete("/preferences/damaged")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS, POST, PUT"


async def test_the_brand_is_on_every_page_and_escaped(api: Api) -> None:
    logo = "data:image/png;base64,iVBORw0KGgo="
    brand = {"name": "<b>Ada & Co</b>", "color": "#FFEE00", "logo": logo, "address": "Ockham"}
    brand |= {"privacy_url": "https://shop.example/privacy?a=1&b=2"}
    assert (await api.put("/preferences/brand", brand)) == brand
    assert await api.get("/preferences/brand") == brand
    page = (await api.client.get(path((await mint(api))["url"]))).text
    assert f'<img src="{logo}" alt="&lt;b&gt;Ada &amp; Co&lt;/b&gt;">' in page
    assert 'href="https://shop.example/privacy?a=1&amp;b=2"' in page
    assert "--brand: #ffee00; --ink-on-brand: #000000" in page
    assert "Ada &amp; Co" in (await api.client.get("/preferences/damaged")).text


@pytest.mark.parametrize(
    ("brand", "told"),
    [
        ({"color": "red"}, "Must be a colour like"),
        ({"color": "#fff}</style><script>"}, "Must be a colour like"),
        ({"logo": "https://shop.example/logo.png"}, "Must be a data URL"),
        ({"logo": "data:text/html;base64,PGI+"}, "Must be a data URL"),
        ({"logo": "data:image/png;base64,AAAAA"}, "Must be a data URL in base64"),
        ({"logo": "data:image/png;base64," + "A" * 100_000}, "Longer than"),
        ({"privacy_url": "javascript:alert(1)"}, "Must be an http or https URL."),
        ({"privacy_url": "http://["}, "Must be an http or https URL."),
    ],
)
async def test_a_brand_that_could_not_be_shown_is_refused(api: Api, brand: Any, told: str) -> None:
    answer = await api.call("PUT", "/preferences/brand", json=brand)
    assert answer.status_code == 400
    assert told in answer.json()["detail"]


# --- somebody's own data ---------------------------------------------------------------------


async def test_addresses_have_their_rate_and_guessers_less(instance: Instance) -> None:
    slow = replace(instance.settings, rate_failures=3)
    async with api_on(replace(instance, settings=slow)) as api:
        where = path((await mint(api))["url"])
        found = [(await api.client.get("/preferences/guess")).status_code for _ in range(5)]
        assert found == [404, 404, 404, 429, 429]
        limited = await api.client.get("/preferences/guess")
        assert "One moment, please" in limited.text
        assert int(limited.headers["retry-after"]) > 0
        assert (await api.client.get(where)).status_code == 200
    few = replace(instance.settings, rate_per_address=1)
    async with api_on(replace(instance, settings=few)) as api:
        answers = [await api.client.get(where) for _ in range(12)]
        assert {each.status_code for each in answers} == {200, 429}
        leave = path((await mint(api))["unsubscribe_url"])
        for _ in range(12):  # a mailbox provider's address stands for all of its users
            assert (await api.client.post(leave, data=ONE_CLICK)).status_code == 200


async def test_no_token_and_no_name_is_in_metrics_or_the_audit_log(api: Api) -> None:
    links = await mint(api)
    await api.client.get(path(links["url"]))
    await api.client.post(path(links["unsubscribe_url"]), data=ONE_CLICK)
    await api.client.get("/preferences/guess-1815")
    metrics = (await api.client.get("/metrics")).text
    assert 'route="/preferences/unsubscribe/{token}"' in metrics
    audit = (await api.call("GET", "/audit")).text
    assert "/api/v1/preferences/links" in audit
    unsubscribe = links["unsubscribe_url"].rpartition("/")[2]
    for secret in (links["token"], unsubscribe, "guess-1815", "ada@example.com"):
        assert secret not in metrics
        assert secret not in audit


async def test_links_lead_to_where_people_reach_us(instance: Instance) -> None:
    settings = replace(instance.settings, public_url="https://cdp.example.com/track/")
    async with api_on(replace(instance, settings=settings)) as api:
        links = await mint(api, language="fr")
        begin = "https://cdp.example.com/track/preferences/"
        assert links["url"].startswith(f"{begin}{links['token']}?lang=fr")
        assert links["headers"]["List-Unsubscribe"].startswith(f"<{begin}unsubscribe/")
