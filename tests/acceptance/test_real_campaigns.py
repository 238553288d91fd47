"""Campaigns on a shop's half year: who is messaged when equals what plain Python finds in it."""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

import profiles.store as profile_store
from cdp import times
from cdp.demo.story import FILE
from tests.conftest import Api
from tests.support.receiver import Receiver, receiving

MINUTE, HOUR, DAY = (each * times.SECOND for each in (60, 3600, 86_400))
LATEST = 40 * DAY  # what is played of the half year, up to
BEFORE = 14 * DAY  # the end of it: a week in which most carts were left
CARTS = "sequence('add_to_cart' then no 'purchase' for 2h, 7d) >= 2"
KEEN = (
    "sequence('product_view' then 'catalog' after 2m within 30m without 'product_view', 30d) >= 1"
)
Row = tuple[int, str]  # when, what


@pytest.fixture
async def hook() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


def played(end: int) -> dict[str, list[Row]]:
    """The last weeks of the file by person, moved so that they end then."""
    with gzip.open(FILE, "rt") as file:
        rows = [
            (times.from_datetime(datetime.fromisoformat(row["timestamp"]).replace(tzinfo=UTC)), row)
            for row in csv.DictReader(file)
        ]
    last = max(at for at, _ in rows) - BEFORE
    people: dict[str, list[Row]] = defaultdict(list)
    for at, row in rows:
        if last - LATEST < at <= last:
            people[row["user_id"]].append((at + end - last, row["event"]))
    return {person: sorted(mine) for person, mine in people.items()}


def left_carts(mine: list[Row], now: int) -> Iterator[int]:
    """When a cart was two hours old and nothing bought; another cart begins the two hours anew."""
    adds = [at for at, what in mine if what == "add_to_cart"]
    buys = [at for at, what in mine if what == "purchase"]
    for at, following in zip(adds, [*adds, now + HOUR * 99][1:], strict=True):
        over = at + 2 * HOUR
        if following > over and not any(at <= buy <= over for buy in buys):
            yield over


def twice_in_a_week(mine: list[Row], now: int) -> bool:
    return sum(now - 7 * DAY < over <= now for over in left_carts(mine, now)) >= 2


def looked_long_and_at_similar(mine: list[Row], now: int) -> bool:
    """A product, and the catalogue two minutes to half an hour later, with no product in between.

    What happened at one instant has no order: a second product then is in between.
    """
    views = [at for at, what in mine if what == "product_view"]
    lists = [at for at, what in mine if what == "catalog" and at > now - 30 * DAY]
    return any(
        2 * MINUTE <= at - seen <= 30 * MINUTE and sum(seen <= view <= at for view in views) == 1
        for seen in views
        for at in lists
    )


async def define(api: Api, hook: Receiver) -> None:
    said = {"kind": "webhook", "url": hook.url, "segments": ["nobody"]}
    await api.put("/destinations/mail", said)
    for key, where in (("cart", CARTS), ("upsell", KEEN)):
        await api.put(f"/segments/{key}", {"name": key, "where": where})
        texts = {"en": {"line": key}}
        await api.put(f"/templates/{key}", {"name": key, "channel": "data", "texts": texts})
        steps = [{"send": {"template": key, "channels": ["mail"]}}]
        campaign = {"name": key, "trigger": {"segment": key}, "purpose": "marketing_email"}
        await api.put(f"/campaigns/{key}", campaign | {"steps": steps})
    await api.settle()


def said(person: str, number: int, row: Row) -> dict[str, Any]:
    """Every third person wants no e-mails."""
    allows = {"analytics": True, "marketing_email": number % 3 != 0}
    at, what = row
    event = {"type": "track", "userId": person, "event": what, "timestamp": times.iso(at)}
    return event | {"context": {"consent": {"categoryPreferences": allows}}}


async def tell(api: Api, people: dict[str, list[Row]]) -> None:
    batch: list[dict[str, Any]] = []
    for number, (person, mine) in enumerate(sorted(people.items())):
        batch += [said(person, number, row) for row in mine]
    for first in range(0, len(batch), 200):
        answer = await api.send("/v1/batch", {"batch": batch[first : first + 200]})
        assert answer.is_success, answer.text
    await api.settle()


async def test_who_is_messaged_is_who_the_file_says(api: Api, hook: Receiver) -> None:
    await define(api, hook)
    end = times.now() - HOUR * 3
    people = played(end)
    await tell(api, people)
    now = times.now()
    allows = {each for number, each in enumerate(sorted(people)) if number % 3 != 0}
    messages = [each.json["data"] for each in hook.requests]
    for key, rule in (("cart", twice_in_a_week), ("upsell", looked_long_and_at_similar)):
        wanted = {person for person, mine in people.items() if rule(mine, now)}
        sent = [
            each["identifiers"]["user_id"][0]
            for each in messages
            if each["content"]["campaign"] == key
        ]
        assert len(wanted) > 4, key
        assert sorted(sent) == sorted(wanted & allows), key
        results: Any = await api.get(f"/campaigns/{key}/results")
        assert results["conversions"]["treated"]["of"] == len(wanted)
        assert results["unsent"] == {"consent": len(wanted - allows)}
        journeys: Any = await api.get(f"/campaigns/{key}/journeys?limit=1000")
        assert {each["cause"].split()[0] for each in journeys["journeys"]} == {key}


@dataclass
class Clock:
    """The platform's, which stands still until it is set."""

    at: int

    async def play(self, api: Api, person: str, number: int, row: Row) -> None:
        """What happens by time alone before this, and then this."""
        await self.until(api, row[0])
        answer = await api.send("/v1/batch", {"batch": [said(person, number, row)]})
        assert answer.is_success, answer.text
        await self._follow(api)

    async def until(self, api: Api, end: int) -> None:
        """Halt at every instant that the platform itself wants to be woken at."""
        while (due := await self._due(api)) is not None and due <= end:
            self.at = max(self.at, due)
            await api.instance.driver.jobs.fire_timers()
            await self._follow(api)
        self.at = end

    async def _follow(self, api: Api) -> None:
        for stage in api.instance.driver.stages:
            while await api.instance.driver.step(stage):
                pass

    async def _due(self, api: Api) -> int | None:
        async with api.instance.core.database.transaction() as connection:
            return await profile_store.next_due(connection)


def first(rule: Callable[[list[Row], int], bool], mine: list[Row], end: int) -> int | None:
    """The first instant at which it holds: looked at when something comes, and two hours later."""
    looks = [(at, mine[:number]) for number, (at, _) in enumerate(mine, 1)]
    overs = [at + 2 * HOUR for at, _ in mine]
    looks += [(over, [row for row in mine if row[0] < over]) for over in overs if over <= end]
    return min((now for now, come in looks if rule(come, now)), default=None)


def some(people: dict[str, list[Row]], end: int) -> dict[str, list[Row]]:
    """A few of each sort."""
    cart = {person for person, mine in people.items() if first(twice_in_a_week, mine, end)}
    keen = {
        person for person, mine in people.items() if first(looked_long_and_at_similar, mine, end)
    }
    sorts = (cart, keen - cart, people.keys() - keen - cart)
    return {person: people[person] for sort in sorts for person in sorted(sort)[:5]}


async def test_when_they_are_messaged_is_when_the_file_says(
    api: Api, hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = times.now()
    people = some(played(end), end)
    rows = sorted((row, person) for person, mine in people.items() for row in mine)
    clock = Clock(rows[0][0][0] - HOUR)
    monkeypatch.setattr(times, "now", lambda: clock.at)
    await define(api, hook)
    numbers = {person: number for number, person in enumerate(sorted(people))}
    for row, person in rows:
        await clock.play(api, person, numbers[person], row)
    await clock.until(api, end)
    for key, rule in (("cart", twice_in_a_week), ("upsell", looked_long_and_at_similar)):
        whens = {person: first(rule, mine, end) for person, mine in people.items()}
        wanted = {
            person: at // times.SECOND
            for person, at in whens.items()
            if at is not None and numbers[person] % 3 != 0
        }
        sent = {
            each.json["data"]["identifiers"]["user_id"][0]: int(each.headers["webhook-timestamp"])
            for each in hook.requests
            if each.json["data"]["content"]["campaign"] == key
        }
        assert len(wanted) > 3, key
        assert sent == wanted, key
