"""cdp.js in Chromium, on a page of another origin under a strict policy: it fills slots, tells what
becomes of them, keeps to what people agreed to, and harms no page when the platform is away.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import SDKS
from tests.support.browser import site
from tests.support.platform import Platform
from tests.support.walker import Walker, walking

pytestmark = pytest.mark.usefixtures("node_modules")

_SECONDS = 30.0
PURPOSE = "personalization"
PAGE = """<!doctype html><html lang="en"><head><title>Shop</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'self' {url};
 connect-src {url}; worker-src 'self'; require-trusted-types-for 'script'; trusted-types cdp">
<script src="noting.js"></script>
<script src="{url}/cdp.js" data-write-key="{key}" {more} async></script></head>
<body><h1>Shop</h1><div data-cdp-slot="web-hero">As it was</div>
<div data-cdp-slot="web-side">Beside</div></body></html>"""
NOTING = """window.noted = [];
document.addEventListener("cdp", ({ detail }) => {
  window.noted.push(detail.type);
  document.documentElement.classList.add(detail.type);
});"""
KEY = "BNbxGYNMhEIi9zrneh7mqV4oUanjLUK3m-mYZBc62frMKrEoMk88r3Lk596T0ck9xlT-aok0fO1KXBLV4-XqxYM"
HTML = '<p>For all <a href="#x">Go</a> <button data-cdp-dismiss>No</button></p>'


@contextmanager
def shop(directory: Path, url: str, key: str, more: str = "") -> Iterator[str]:
    """The address of a page that loads cdp.js."""
    (directory / "index.html").write_text(PAGE.format(url=url, key=key, more=more))
    (directory / "noting.js").write_text(NOTING)
    worker = resources.files("cdp.web") / "cdp-sw.js"
    (directory / "cdp-sw.js").write_bytes(worker.read_bytes())
    with site(directory) as address:
        yield f"{address}/index.html"


@pytest.fixture
def walker(chromium: str) -> Iterator[Walker]:
    with walking(SDKS, chromium, permissions=["notifications"]) as one:
        yield one


@pytest.fixture(scope="module")
def stocked(platform: Platform) -> Platform:
    """Content for everybody, and for buyers."""
    where = {"event": "Order Completed", "where": [{"property": "web", "eq": "yes"}]}
    platform.put("/segments/web_buyers", {"name": "B", "purpose": PURPOSE, "where": where})
    variants = [{"key": "a", "html": {"en": HTML}}]
    platform.put("/content/web_all", {"name": "A", "slots": ["web-hero"], "variants": variants})
    own = {"segments": ["web_buyers"], "purpose": PURPOSE, "priority": 5}
    variants = [{"key": "a", "html": {"en": "<p>For you</p>"}}]
    content = {"name": "B", "slots": ["web-hero"], "variants": variants}
    platform.put("/content/web_own", content | own)
    return platform


def seen(walker: Walker, slot: str = "web-hero") -> dict[str, Any]:
    return walker.do("see", on=f"[data-cdp-slot={slot}]")


def counted(platform: Platform, user: str) -> dict[str, int]:
    events: dict[str, int] = platform.profile(f"user_id:{user}").get("events", {})
    return {name: count for name, count in events.items() if name.startswith("Content ")}


def test_a_slot_is_filled_and_what_becomes_of_it_is_told(
    stocked: Platform, walker: Walker, tmp_path: Path
) -> None:
    more = 'data-user-id="web-ada"'
    with shop(tmp_path, stocked.url, stocked.keys["write_key"], more) as address:
        walker.do("goto", url=address)
        walker.do("wait", on="[data-cdp-content=web_all]")
        walker.do("wait", on="html.Viewed")
        assert walker.do("call", name="consent", given=[{"analytics": True}])["value"]
        assert seen(walker, "web-side")["text"] == "Beside"
        walker.do("click", on="[data-cdp-slot] a")
        walker.do("wait", on="html.Clicked")
        walker.do("click", on="[data-cdp-dismiss]")
        walker.do("wait", on="html.Dismissed")
        assert seen(walker)["hidden"]
        stocked.wait_for(
            lambda: counted(stocked, "web-ada").keys() >= {"Content Clicked", "Content Dismissed"},
            _SECONDS,
            "events",
        )
        assert "error" not in walker.do("noted")["noted"]
        assert walker.do("end")["problems"] == []


def test_content_of_ones_own_takes_consent_and_can_be_declined(
    stocked: Platform, walker: Walker, tmp_path: Path
) -> None:
    order = {"userId": "web-bob", "event": "Order Completed", "properties": {"web": "yes"}}
    denied = {"purpose": PURPOSE, "state": "denied"}
    assert stocked.call("PUT", "/consent/user_id:web-bob", json=denied).is_success
    stocked.wait_quiet()
    stocked.send("/v1/track", order)
    stocked.wait_quiet()
    more = 'data-user-id="web-bob"'
    with shop(tmp_path, stocked.url, stocked.keys["write_key"], more) as address:
        walker.do("goto", url=address)
        walker.do("wait", on="[data-cdp-content=web_all]")
        walker.do("call", name="consent", given=[{"analytics": True, PURPOSE: True}])
        stocked.wait_for(lambda: is_buyer(stocked, "web-bob"), _SECONDS, "membership")
        walker.do("call", name="load", given=[])
        assert seen(walker)["text"] == "For you"
        walker.do("call", name="personalize", given=[False])
        assert "For all" in seen(walker)["text"]
        walker.do("goto", url=address)
        walker.do("wait", on="[data-cdp-content=web_all]")
        walker.do("call", name="personalize", given=[True])
        assert seen(walker)["text"] == "For you"
        walker.do("call", name="consent", given=[{PURPOSE: False}])
        assert "For all" in seen(walker)["text"]


def is_buyer(platform: Platform, user: str) -> bool:
    return "web_buyers" in platform.profile(f"user_id:{user}").get("segments", [])


def test_nothing_is_stored_of_who_has_not_agreed(
    stocked: Platform, walker: Walker, tmp_path: Path
) -> None:
    with shop(tmp_path, stocked.url, stocked.keys["write_key"]) as address:
        walker.do("goto", url=address)
        walker.do("wait", on="[data-cdp-content=web_all]")
        walker.do("wait", on="html.Viewed")
        assert walker.do("stored")["stored"] == []
        walker.do("call", name="consent", given=[{"analytics": True}])
        assert walker.do("stored")["stored"] == ["cdp_anonymous_id", "cdp_consent"]
        asked = walker.do("end")["asked"]
    sent = [each for each in asked if "/v1/" in each]
    assert len(sent) >= 1
    first = asked.index(sent[0])
    assert all("anonymous_id" not in each for each in asked[:first])


def test_a_page_is_unharmed_while_the_platform_is_away(walker: Walker, tmp_path: Path) -> None:
    script = resources.files("cdp.web") / "cdp.js"
    (tmp_path / "cdp.js").write_bytes(script.read_bytes())
    nobody = "http://127.0.0.1:9"
    more = f'data-url="{nobody}"'
    with shop(tmp_path, nobody, "key", more) as address:
        page = tmp_path / "index.html"
        page.write_text(page.read_text().replace(f'src="{nobody}/cdp.js"', 'src="cdp.js"'))
        walker.do("goto", url=address)
        walker.do("wait", on="html.error")
        assert seen(walker)["text"] == "As it was"
        for name, given in (("track", ["x"]), ("load", []), ("push", [{}])):
            assert walker.do("call", name=name, given=given)["value"] is False
        problems = walker.do("end")["problems"]
        assert [each for each in problems if "ERR_" not in each] == []


def test_a_page_is_unharmed_where_even_the_script_is_not_to_be_had(
    walker: Walker, tmp_path: Path
) -> None:
    with shop(tmp_path, "http://127.0.0.1:9", "key") as address:
        walker.do("goto", url=address)
        assert seen(walker)["text"] == "As it was"


def test_the_service_worker_shows_what_is_pushed(
    stocked: Platform, walker: Walker, tmp_path: Path
) -> None:
    said = '{"title": "Back in stock", "body": "Your size", "url": "/shoes", "tag": "size"}'
    with shop(tmp_path, stocked.url, stocked.keys["write_key"]) as address:
        walker.do("goto", url=address)
        walker.do("call", name="push", given=[{"key": KEY}])  # no push service can be reached
        (shown,) = walker.do("pushed", data=said)["shown"]
    assert (shown["title"], shown["body"]) == ("Back in stock", "Your size")
    assert shown["data"]["url"] == "/shoes"


def test_scripts_are_served_small_and_cached(platform: Platform) -> None:
    answer = platform.get("/cdp.js")
    assert answer.headers["content-encoding"] == "gzip"
    assert int(answer.headers["content-length"]) < 4096
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert platform.get("/cdp-sw.js").headers["content-type"].startswith("text/javascript")


def test_the_types_are_types(node_modules: Path, tmp_path: Path) -> None:
    types = resources.files("cdp.web") / "cdp.d.ts"
    (tmp_path / "cdp.d.ts").write_bytes(types.read_bytes())
    (tmp_path / "page.ts").write_text(USE)
    if shutil.which("node") is None:
        pytest.skip("no node on this machine")
    checked(node_modules, tmp_path, "")
    (tmp_path / "page.ts").write_text(USE + "\nwindow.cdp!.push({ key: 5 });\n")
    checked(node_modules, tmp_path, "TS2322")


USE = """import type { CdpBlock } from "./cdp";
export async function start(): Promise<string> {
  document.addEventListener("cdp", ({ detail }) => {
    if (detail.type === "content") console.log(detail.block.data, detail.element.hidden);
  });
  const blocks = await window.cdp!.consent({ personalization: true });
  const hero: CdpBlock | undefined = blocks ? blocks["hero"] : undefined;
  await window.cdp!.push({ key: "x" });
  return hero?.reasons.join() ?? "";
}
"""


def checked(node_modules: Path, directory: Path, problem: str) -> None:
    """The TypeScript compiler finds this in the page, or nothing."""
    import subprocess

    done = subprocess.run(
        [node_modules / ".bin" / "tsc", "--noEmit", "--strict", "--target", "es2022", "page.ts"],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (problem in done.stdout) if problem else done.returncode == 0, done.stdout
