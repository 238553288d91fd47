"""A yes that has ended by itself is told once: in the log, in history, and to who wants to ask."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from cdp import main, times
from cdp.clockwork import jobs
from cdp.instance import Running
from cdp.replay import until_quiet
from cdp.times import iso
from consent.purposes import DAY
from tests.conftest import Api
from tests.support.collected import stored
from tests.support.receiver import Receiver, receiving

PURPOSE = "marketing_email"
EVERYBODY = {"name": "All", "purpose": PURPOSE, "where": {"event": "page"}}


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    yield
    times.set_ahead(0)


@pytest.fixture
async def hook() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
async def asking(api: Api, hook: Receiver) -> Api:
    """A yes to e-mails counts for 30 days; one destination asks again, others do not care."""
    await api.put(f"/consent/purposes/{PURPOSE}", {"name": "E-mails", "validity_days": 30})
    await api.put("/segments/all", EVERYBODY)
    base = {"kind": "webhook", "url": hook.url, "segments": ["all"]}
    await api.put("/destinations/crm", base | {"consent_events": True})
    await api.put("/destinations/plain", base)
    await api.put("/destinations/sale", base | {"consent_events": True, "purpose": "sale_or_share"})
    return api


async def grant(api: Api, ref: str, **more: Any) -> None:
    said = {"purpose": PURPOSE, "state": "granted", "jurisdiction": "DE"} | more
    await api.put(f"/consent/{ref}", said)
    await api.settle()


async def later(api: Api, days: int) -> None:
    """What happens by the clock, so many days from now."""
    times.set_ahead(-days * DAY)
    await jobs(api.instance.core).fire_timers()
    await api.settle()


async def ended(api: Api) -> list[dict[str, Any]]:
    """The facts that say so, as the log has them."""
    events = [event for event in await stored(api) if "expired" in event.properties]
    return [event.properties | {"at": iso(event.at), "who": event.user_id} for event in events]


def heard(hook: Receiver) -> list[dict[str, Any]]:
    told = [json.loads(request.body) for request in hook.requests]
    return [each for each in told if each["type"] == "consent.expired"]


async def history(api: Api, ref: str) -> list[tuple[str, str]]:
    return [(e["purpose"], e["state"]) for e in (await api.get(f"/consent/{ref}"))["history"]]  # type: ignore[attr-defined]


async def test_a_yes_that_ends_is_told_once(asking: Api, hook: Receiver) -> None:
    await asking.send("/v1/page", {"userId": "ada", "anonymousId": "phone"})
    await grant(asking, "user_id:ada")
    assert (await asking.get("/profiles/user_id:ada"))["segments"] == ["all"]
    await later(asking, 29)
    assert (await ended(asking), heard(hook)) == ([], [])
    await later(asking, 31)
    for _ in range(2):  # whatever makes us look again
        await asking.send("/v1/page", {"userId": "ada"})
        await later(asking, 32)
    state = await asking.get("/consent/user_id:ada")
    decision = state["decisions"][PURPOSE]  # type: ignore[index]
    at = iso(times.parse(decision["at"]) + 30 * DAY)
    said = {"expired": PURPOSE, "granted": decision["fact"], "granted_at": decision["at"]}
    assert await ended(asking) == [said | {"at": at, "who": "ada"}]
    assert await history(asking, "user_id:ada") == [(PURPOSE, "granted"), (PURPOSE, "expired")]
    assert (state["state"][PURPOSE], decision["expired"]) == ("denied", True)  # type: ignore[index]
    profile = await asking.get("/profiles/user_id:ada")
    assert profile["segments"] == []
    (told,) = heard(hook)
    assert told["timestamp"] == at
    names = {"user_id": ["ada"], "anonymous_id": ["phone"]}
    expected = {"purpose": PURPOSE, "profile_id": profile["profile_id"], "identifiers": names}
    assert told["data"] == expected
    entries = (await asking.get("/deliveries?profile=user_id:ada"))["deliveries"]
    kinds = {(e["destination"], e["change"], e["segment"]) for e in entries}  # type: ignore[attr-defined]
    assert ("crm", "expired", PURPOSE) in kinds
    assert not [e for e in kinds if e[1] == "expired" and e[0] != "crm"]


async def test_it_is_no_deed_of_the_person_and_no_decision(asking: Api) -> None:
    await asking.send("/v1/page", {"userId": "ada"})
    await grant(asking, "user_id:ada")
    before = (await asking.get("/profiles/user_id:ada"))["last_seen"]
    await later(asking, 31)
    assert len(await ended(asking)) == 1
    assert (await asking.get("/profiles/user_id:ada"))["last_seen"] == before
    # Under a law that lets e-mails be sent without a yes, they may be sent as before it.
    await grant(asking, "user_id:bob", jurisdiction="US-TX")
    await later(asking, 62)
    state = await asking.get("/consent/user_id:bob")
    assert state["state"][PURPOSE] == state["defaults"][PURPOSE]["state"]  # type: ignore[index]
    assert await history(asking, "user_id:bob") == [(PURPOSE, "granted"), (PURPOSE, "expired")]


async def test_of_several_devices_the_last_word_counts(asking: Api) -> None:
    await asking.send("/v1/page", {"userId": "ada", "anonymousId": "phone"})
    past = iso(times.now() - 20 * DAY)
    await grant(asking, "anonymous_id:phone", at=past)
    await grant(asking, "user_id:ada")
    await later(asking, 15)
    assert await ended(asking) == []
    await later(asking, 31)
    assert [each["who"] for each in await ended(asking)] == ["ada"]
    await grant(asking, "user_id:ada")  # asked, and said yes again
    await later(asking, 62)
    assert len(await ended(asking)) == 2


async def test_a_no_does_not_end(asking: Api) -> None:
    await grant(asking, "user_id:ada")
    await asking.put("/consent/user_id:ada", {"purpose": PURPOSE, "state": "denied"})
    await later(asking, 31)
    assert await ended(asking) == []


async def test_replays_repeat_nothing(asking: Api, hook: Receiver, running: Running) -> None:
    await asking.send("/v1/page", {"userId": "ada"})
    await grant(asking, "user_id:ada")
    await later(asking, 31)
    async with main.replaying(asking.instance.settings, running) as replay:
        assert all(each.equal for each in await until_quiet(replay))
        await replay.replace()
    await asking.settle()
    await later(asking, 32)
    assert (len(await ended(asking)), len(heard(hook))) == (1, 1)


async def test_of_several_channels_it_is_told_as_it_was_said(asking: Api) -> None:
    news = {"name": "News", "validity_days": 30, "channels": ["email", "push"]}
    await asking.put("/consent/purposes/news", news)
    await asking.send("/v1/page", {"userId": "ada"})
    await asking.send("/v1/page", {"userId": "eve"})
    await grant(asking, "user_id:ada", purpose="news")
    await grant(asking, "user_id:eve", purpose="news.push")
    await later(asking, 31)
    told = {each["who"]: each["expired"] for each in await ended(asking)}
    assert (told, len(await ended(asking))) == ({"ada": "news", "eve": "news.push"}, 2)
