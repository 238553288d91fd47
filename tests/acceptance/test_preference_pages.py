"""The preference centre in Chromium: accessible in every language, by keys alone, scriptless."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cdp.preferences.languages import languages
from tests.acceptance.conftest import SDKS
from tests.support.instances import Api
from tests.support.platform import Platform
from tests.support.served import served
from tests.support.stores import Stores
from tests.support.walker import Walker, walking

pytestmark = pytest.mark.usefixtures("node_modules")

LANGUAGES = sorted(languages())
SHOTS = os.environ.get("CDP_SHOTS", "")  # a directory: pictures of every page are left there
PHONE = {"viewport": {"width": 320, "height": 640}}
LOUD = {"name": "Analytical Engines", "address": "12 Ockham Road\nLondon", "color": "#ffe14d"}


class Pages:
    """Links to every page there is, for somebody of a test's own."""

    def __init__(self, platform: Platform, name: str) -> None:
        self.ref = f"email:{name}@example.com"
        body = {"identifier": self.ref}
        made = platform.call("POST", "/preferences/links", json=body).json()
        asked = platform.call(
            "POST", "/preferences/opt-in", json=body | {"source": "https://shop.example/"}
        ).json()
        self.preferences = made["url"]
        self.unsubscribe = made["unsubscribe_url"]
        self.confirm = asked["url"]
        self.damaged = f"{platform.url}/preferences/damaged"

    def all(self) -> dict[str, str]:
        """By name."""
        names = ("preferences", "unsubscribe", "confirm", "damaged")
        return {name: getattr(self, name) for name in names}


@pytest.fixture
def walker(chromium: str) -> Iterator[Walker]:
    with walking(SDKS, chromium) as one:
        yield one


def shoot(walker: Walker, name: str) -> None:
    if SHOTS:
        walker.do("shot", path=f"{SHOTS}/{name}.png")


def is_accessible(walker: Walker) -> None:
    found = walker.do("axe")
    assert found["violations"] == []
    assert found["passed"] > 10


def asks_only(walker: Walker, platform: Platform) -> None:
    """It asked nobody but the platform, and nothing went wrong in the page."""
    ended = walker.do("end")
    assert [each for each in ended["asked"] if not each.startswith((platform.url, "data:"))] == []
    assert [each for each in ended["problems"] if "404" not in each] == []


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_page_is_accessible_in_every_language(
    platform: Platform, walker: Walker, code: str
) -> None:
    for name, url in Pages(platform, f"axe-{code}").all().items():
        walker.do("goto", url=f"{url}?lang={code}")
        state = walker.do("state")
        assert (state["lang"], state["small"]) == (code, [])
        is_accessible(walker)
        shoot(walker, f"{name}-{code}")
    asks_only(walker, platform)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("color", ["#ffe14d", "#000000", "#7f7f7f", "#ffffff", "#e4002b"])
def test_it_can_be_read_in_every_brands_colour(
    platform: Platform, chromium: str, color: str, scheme: str
) -> None:
    platform.put("/preferences/brand", LOUD | {"color": color})
    try:
        with walking(SDKS, chromium, colorScheme=scheme) as walker:
            pages = Pages(platform, "colours")
            walker.do("goto", url=pages.preferences)
            is_accessible(walker)
            shoot(walker, f"brand-{color[1:]}-{scheme}")
            walker.do("goto", url=pages.unsubscribe)
            is_accessible(walker)
            asks_only(walker, platform)
    finally:
        platform.put("/preferences/brand", {})


@pytest.mark.parametrize("code", LANGUAGES)
def test_it_fits_a_small_phone(platform: Platform, chromium: str, code: str) -> None:
    with walking(SDKS, chromium, **PHONE) as walker:
        for name, url in Pages(platform, f"{'long' * 12}-{code}").all().items():
            walker.do("goto", url=f"{url}?lang={code}")
            assert walker.do("state")["wide"] <= 320
            shoot(walker, f"phone-{name}-{code}")
        asks_only(walker, platform)


def test_all_of_it_works_without_script(platform: Platform, chromium: str) -> None:
    pages = Pages(platform, "scriptless")
    with walking(SDKS, chromium, javaScriptEnabled=False, locale="de-DE") as walker:
        walker.do("goto", url=pages.preferences)
        walker.do("click", on="#p-marketing_push")
        walker.do("click", on="#f-monthly")
        walker.do("click", on="button.main")
        state = walker.do("state")
        assert state["status"] == "Ihre Auswahl ist gespeichert."
        assert {"marketing_push", "monthly"} <= set(state["on"])
        shoot(walker, "saved-de")
        walker.do("click", on="a[hreflang=fr]")
        assert walker.do("state")["heading"] == "Vos préférences"
        walker.do("click", on="button[value=none]")
        state = walker.do("state")
        assert state["status"] == "Vous êtes désabonné de tout."
        assert state["on"] == ["monthly"]
        walker.do("goto", url=pages.confirm)
        walker.do("click", on="button.main")
        assert walker.do("state")["heading"] == "Vielen Dank"
        walker.do("goto", url=pages.preferences)
        assert "marketing_email" in walker.do("state")["on"]
        walker.do("goto", url=pages.unsubscribe)
        walker.do("click", on="button.main")
        assert walker.do("state")["heading"] == "Sie haben abbestellt"
        shoot(walker, "unsubscribed-de")
        asks_only(walker, platform)
    platform.wait_quiet()
    consent = platform.call("GET", f"/consent/{pages.ref}").json()
    assert {p for p, s in consent["state"].items() if s == "granted"} == {"necessary"}


def test_keys_alone_are_enough(platform: Platform, walker: Walker) -> None:
    walker.do("goto", url=Pages(platform, "keys").preferences)
    stops = tab_through(walker)
    assert [each["name"] for each in stops[:4]] == ["Deutsch", "English", "Español", "Français"]
    assert [each["name"] for each in stops[4:]] == [
        "p-marketing_email",
        "f-all",
        "p-marketing_push",
        "p-analytics",
        "p-personalization",
        "p-sale_or_share",
        "p-profiling",
        "save",
        "none",
        "export",
        "Delete my data",
    ]
    assert all(each["outlined"] for each in stops)
    tab_to(walker, "p-marketing_email")
    walker.do("press", key="Space")
    tab_to(walker, "f-all")
    walker.do("press", key="ArrowDown")
    tab_to(walker, "save")
    walker.do("submit")
    state = walker.do("state")
    assert state["status"] == "Your choices are saved."
    assert {"marketing_email", "weekly"} <= set(state["on"])
    is_accessible(walker)


def test_asking_for_ones_data_is_accessible_too(
    stores: Stores, chromium: str, tmp_path: Path
) -> None:
    made: list[str] = []

    async def mint(api: Api) -> None:
        body = {"identifier": "email:data@example.com"}
        made.append((await api.call("POST", "/preferences/links", json=body)).json()["token"])

    with served(stores.fresh(), tmp_path, mint) as running, walking(SDKS, chromium) as walker:
        walker.do("goto", url=f"{running.url}/preferences/{made[0]}")
        is_accessible(walker)
        tab_to(walker, "Delete my data")
        walker.do("press", key="Enter")
        is_accessible(walker)
        shoot(walker, "data-en")
        tab_to(walker, "erase")
        walker.do("submit")
        status = walker.do("state")["status"]
        assert "We have received your request to delete your data." in status
        assert "Reference: " in status
        is_accessible(walker)
        shoot(walker, "erased-en")


def tab_through(walker: Walker) -> list[dict[str, Any]]:
    """Everything that Tab stops at, from the top."""
    stops: list[dict[str, Any]] = []
    while True:
        walker.do("press", key="Tab")
        at = walker.do("focused")
        if at["tag"] in {"body", "html"} or at in stops:
            return stops
        stops.append(at)


def tab_to(walker: Walker, name: str) -> None:
    for _ in range(30):
        walker.do("press", key="Tab")
        if walker.do("focused")["name"] == name:
            return
    raise AssertionError(f"Tab never stops at {name}")
