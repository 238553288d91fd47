"""What tests of the preference centre share: links, forms as browsers send them, states."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.conftest import Api

ADA = "email:ada@example.com"
JSON = {"accept": "application/json"}
ONE_CLICK = {"List-Unsubscribe": "One-Click"}
PURPOSES = ("analytics", "marketing_email", "marketing_push", "personalization", "profiling")


async def mint(api: Api, who: str = ADA, **more: Any) -> dict[str, Any]:
    answer = await api.call("POST", "/preferences/links", json={"identifier": who} | more)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def opt_in(api: Api, who: str = ADA, **more: Any) -> dict[str, Any]:
    said = {"identifier": who, "source": "https://shop.example/newsletter"} | more
    answer = await api.call("POST", "/preferences/opt-in", json=said)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def state(api: Api, who: str = ADA) -> dict[str, Any]:
    await api.settle()
    return dict(await api.get(f"/consent/{who}"))


async def facts(api: Api, who: str = ADA) -> int:
    """How many decisions there are of somebody, if they were ever seen."""
    await api.settle()
    answer = await api.call("GET", f"/consent/{who}")
    return len(answer.json()["history"]) if answer.status_code == 200 else 0


def path(url: str) -> str:
    found = urlsplit(url)
    return found.path + (f"?{found.query}" if found.query else "")


def posted(html: str, **changes: Any) -> list[tuple[str, str]]:
    """What a browser would send of the page's form, after these switches were moved."""
    rows = re.findall(r'name="(granted|shown|often)" value="([^"]*)"( checked)?', html)
    sent = [(name, value) for name, value, on in rows if name != "granted"]
    granted = {value for name, value, on in rows if name == "granted" and on}
    frequency = re.search(r'name="frequency" value="(\w+)" checked', html)
    assert frequency
    often = changes.pop("frequency", frequency[1])
    for purpose, on in changes.items():
        granted = granted | {purpose} if on else granted - {purpose}
    return [*sent, *(("granted", each) for each in sorted(granted)), ("frequency", often)]


async def post(api: Api, where: str, sent: list[tuple[str, str]]) -> httpx.Response:
    return await api.client.post(where, content=str(httpx.QueryParams(sent)), headers=FORM)


FORM = {"content-type": "application/x-www-form-urlencoded"}
