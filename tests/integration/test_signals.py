"""Signals end to end: consent strings through the gates, and Global Privacy Control once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from cdp import main
from cdp.db import Database, Driver, named
from cdp.instance import Running
from cdp.replay import until_quiet
from consent.signals.google import NAMES
from tests.conftest import Api, Instance
from tests.support.instances import api_on
from tests.support.signals import NONE, OPTED_OUT, SOME

_RECORDED = named('select at from events where consent order by partition, "offset"')


async def track(api: Api, who: str, consent: object = None, **more: Any) -> None:
    headers = more.pop("headers", {})
    context = {"context": {"consent": consent}} if consent is not None else {}
    body = {"anonymousId": who, "event": "Viewed"} | context | more
    assert (await api.send("/v1/track", body, **headers)).json() == {"success": True}


async def recorded(api: Api) -> int:
    """Facts about consent in the log."""
    return len(await api.instance.core.database.rows(_RECORDED))


async def consent_of(api: Api, who: str) -> dict[str, Any]:
    await api.settle()
    return dict(await api.get(f"/consent/anonymous_id:{who}"))


async def test_a_tc_string_decides_what_is_kept_and_how_somebody_stands(api: Api) -> None:
    await track(api, "some", {"tcf": SOME, "jurisdiction": "DE"})
    await track(api, "refuser", {"tcf": NONE})
    found = await consent_of(api, "some")
    told = {key: found["state"][key] for key in ("analytics", "profiling", "marketing_email")}
    assert told == {"analytics": "granted", "profiling": "denied", "marketing_email": "denied"}
    decision = found["decisions"]["analytics"]
    assert (decision["source"], decision["signal"][:4]) == ("tcf", "tcf_")
    assert (await api.get("/profiles/anonymous_id:some"))["events"] == {"Viewed": 1}
    assert (await consent_of(api, "refuser"))["state"]["analytics"] == "denied"
    assert (await api.get("/profiles/anonymous_id:refuser"))["events"] == {}


async def test_google_consent_mode_goes_in_and_out(api: Api) -> None:
    await track(api, "g", {"ad_storage": "granted", "ad_user_data": "denied"})
    found = await consent_of(api, "g")
    assert list(found["google"]) == list(NAMES)
    assert found["google"]["ad_storage"] == "denied"  # all that sale_or_share is signalled by
    assert found["google"]["analytics_storage"] == "granted"


async def test_what_cannot_be_read_waits_in_quarantine_and_nothing_beside_it(api: Api) -> None:
    good = {"type": "track", "anonymousId": "q", "event": "Good"}
    bad = good | {"event": "Bad", "context": {"consent": {"tcf": SOME[:30]}}}
    assert (await api.send("/v1/batch", {"batch": [good, bad, good]})).is_success
    await api.settle()
    assert (await api.get("/profiles/anonymous_id:q"))["events"] == {"Good": 2}
    (kept,) = (await api.get("/quarantine"))["quarantine"]  # type: ignore[misc]
    assert kept["field"] == "context.consent.tcf"
    assert kept["reason"] == "context.consent.tcf: is cut off: send all of it"


async def test_a_gpp_string_opts_out_of_sale_alone(api: Api) -> None:
    await track(api, "ca", {"gpp": OPTED_OUT, "gppSid": [8]})
    found = await consent_of(api, "ca")
    assert found["decisions"]["sale_or_share"]["source"] == "gpp"
    assert found["state"]["analytics"] == "granted"
    assert (await api.get("/profiles/anonymous_id:ca"))["events"] == {"Viewed": 1}


async def test_gpc_is_recorded_once_and_marks_every_event(api: Api, running: Running) -> None:
    where = {"event": "Viewed"}
    segment = {"name": "Sold", "purpose": "sale_or_share", "where": where}
    await api.put("/segments/sold", segment)
    for _ in range(5):
        await track(api, "gpc", headers={"sec-gpc": "1"})
    assert await recorded(api) == 1
    found = await consent_of(api, "gpc")
    assert (len(found["history"]), found["state"]["sale_or_share"]) == (1, "denied")
    decision = {"purpose": "sale_or_share", "state": "granted"}
    await api.put("/consent/anonymous_id:gpc", decision)
    await api.settle()
    assert (await api.get("/profiles/anonymous_id:gpc"))["events"] == {"Viewed": 5}
    assert (await api.get("/segments/sold/members"))["members"] == []  # each came with a no
    await track(api, "gpc")
    await api.settle()
    assert len((await api.get("/segments/sold/members"))["members"]) == 1  # type: ignore[arg-type]
    async with main.replaying(api.instance.settings, running) as replay:
        assert all(each.equal for each in await until_quiet(replay))


async def test_a_banners_yes_on_every_event_does_not_talk_over_the_browser(api: Api) -> None:
    for _ in range(2):
        await track(api, "gpc", {"google": {"ad_storage": "granted"}}, headers={"sec-gpc": "1"})
    assert (await consent_of(api, "gpc"))["state"]["sale_or_share"] == "denied"
    await track(api, "gpc", {"google": {"ad_storage": "granted"}})
    assert (await consent_of(api, "gpc"))["state"]["sale_or_share"] == "granted"


async def test_gpc_is_recorded_again_where_it_was_forgotten_or_was_before(api: Api) -> None:
    await track(api, "gpc", headers={"sec-gpc": "1"}, timestamp="2026-01-02T00:00:00Z")
    await track(api, "gpc", headers={"sec-gpc": "1"}, timestamp="2026-01-03T00:00:00Z")
    assert await recorded(api) == 1
    await track(api, "gpc", headers={"sec-gpc": "1"}, timestamp="2026-01-01T00:00:00Z")
    assert await recorded(api) == 2
    core = api.instance.core
    core.keyring.forget([core.vault.subject("anonymous_id", "gpc")])  # as after an erasure
    for _ in range(3):
        await track(api, "gpc", headers={"sec-gpc": "1"}, timestamp="2026-01-04T00:00:00Z")
    assert await recorded(api) == 3
    at = (await consent_of(api, "gpc"))["decisions"]["sale_or_share"]["at"]
    assert at.startswith("2026-01-01")


async def test_gpc_is_recorded_once_for_a_batch(api: Api) -> None:
    seen = {"type": "page", "anonymousId": "gpc"}
    other = seen | {"anonymousId": "other"}
    assert (
        await api.send("/v1/batch", {"batch": [seen, other, seen]}, **{"sec-gpc": "1"})
    ).is_success
    assert await recorded(api) == 2
    assert (await consent_of(api, "gpc"))["state"]["sale_or_share"] == "denied"
    assert (await api.get("/profiles/anonymous_id:gpc"))["events"] == {"page": 2}


async def test_an_event_that_was_there_before_records_nothing(api: Api) -> None:
    """It is the same message, and came without the header."""
    await track(api, "gpc", messageId="m1")
    await track(api, "gpc", messageId="m1", headers={"sec-gpc": "1"})
    assert await recorded(api) == 0
    await track(api, "gpc", headers={"sec-gpc": "1"})
    assert await recorded(api) == 1


async def test_gpc_of_somebody_who_is_not_collected_leaves_one_fact(api: Api) -> None:
    for _ in range(4):
        await track(api, "de", {"jurisdiction": "DE"}, headers={"sec-gpc": "1"})
    assert await recorded(api) == 1


async def test_an_objection_in_the_moment_of_the_start_leaves_one_fact(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is remembered is forgotten when the API begins to listen, here over a slow line."""
    prompt = Database.driver

    @asynccontextmanager
    async def slow(self: Database) -> AsyncIterator[Driver]:
        await asyncio.sleep(0.05)
        async with prompt(self) as connection:
            yield connection

    monkeypatch.setattr(Database, "driver", slow)
    async with api_on(instance) as api:
        for _ in range(15):
            await track(api, "gpc", headers={"sec-gpc": "1"})
        assert await recorded(api) == 1
