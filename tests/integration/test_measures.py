"""What happens is counted where it happens, and nothing that is counted says who it was."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest

from cdp import metrics
from cdp.db import named
from cdp.events import TOUCHED
from cdp.log import store
from cdp.log.store import Message
from tests.conftest import Api
from tests.support.receiver import Receiver, receiving
from tests.support.samples import changes, of, of_text
from tests.support.stores import PARTITIONS

PAGE = {"type": "page", "anonymousId": "a"}
SEEN = {"event": "Seen"}


@pytest.fixture
async def hook() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


async def connect(api: Api, hook: Receiver) -> None:
    await api.put("/segments/all", {"name": "All", "where": SEEN})
    await api.put("/destinations/crm", {"kind": "webhook", "url": hook.url, "segments": ["all"]})
    gated = {"kind": "webhook", "url": hook.url, "segments": ["all"], "purpose": "sale_or_share"}
    await api.put("/destinations/ads", gated)
    await api.settle()


async def test_what_became_of_messages(api: Api) -> None:
    page, broken = PAGE | {"messageId": "1"}, {"type": "track", "anonymousId": "a"}
    with changes("api") as risen:
        assert (await api.send("/v1/batch", {"batch": [page, page, broken]})).status_code == 200
        assert (await api.send("/v1/page", PAGE | {"messageId": "2"})).status_code == 200
    became = {o: risen[f'cdp_collected_total{{outcome="{o}"}}'] for o in metrics.OUTCOMES}
    assert became == {"stored": 2, "known": 1, "quarantined": 1, "uncollected": 0, "suppressed": 0}
    assert (risen["cdp_commit_entries_count"], risen["cdp_commit_entries_sum"]) == (2, 4)
    assert risen["cdp_commit_seconds_count"] == 2


async def test_refusals_of_consent_are_counted(api: Api) -> None:
    await api.put("/consent/anonymous_id:d", {"purpose": "analytics", "state": "denied"})
    await api.settle()
    with changes("api") as risen:
        assert (await api.send("/v1/page", {"anonymousId": "d"})).status_code == 200
    assert risen['cdp_collected_total{outcome="uncollected"}'] == 1


async def test_requests_go_by_their_routes_pattern(api: Api) -> None:
    with changes("api") as risen:
        await api.send("/v1/page", PAGE)
        await api.call("GET", "/profiles/email:ada@example.com")
        await api.client.get("/of/ada@example.com")
        await api.client.request("BREW", "/v1/page")
    told = {
        (labels["method"], labels["route"], labels["status"]): count
        for name, count in risen.items()
        if name.startswith("cdp_requests_total")
        for labels in [dict(re.findall(r'(\w+)="(.*?)"', name))]
    }
    assert told == {
        ("POST", "/v1/page", "200"): 1,
        ("GET", "/api/v1/profiles/{ref:path}", "404"): 1,
        ("GET", "other", "404"): 1,
        ("other", "/v1/page", "405"): 1,
    }
    assert risen['cdp_request_seconds_count{route="/v1/page"}'] == 2


async def test_the_path_of_an_event_is_measured_at_every_stage(api: Api, hook: Receiver) -> None:
    await connect(api, hook)
    long_ago = {"timestamp": "2020-01-01T00:00:00Z", "sentAt": None}
    with changes("worker") as risen:
        for user in ("ada", "bob"):
            await api.send("/v1/track", {"userId": user, "event": "Seen", **long_ago})
        await api.settle()
    for topic, records in (("events", 2), ("touched", 2)):
        assert risen[f'cdp_chunk_records_sum{{topic="{topic}"}}'] == records
        assert risen[f'cdp_latency_seconds_count{{topic="{topic}"}}'] == records
        assert 0 < risen[f'cdp_latency_seconds_sum{{topic="{topic}"}}'] < 60
        assert risen[f'cdp_event_age_seconds_sum{{topic="{topic}"}}'] > 1e8
    assert risen['cdp_latency_seconds_count{topic="deliveries"}'] == 2
    assert risen['cdp_event_age_seconds_sum{topic="deliveries"}'] > 1e8
    tries = {
        name: count for name, count in risen.items() if name.startswith("cdp_delivery_attempts")
    }
    assert tries == {
        'cdp_delivery_attempts_total{destination="crm",outcome="sent"}': 2,
        'cdp_delivery_attempts_total{destination="ads",outcome="refused"}': 2,
    }
    assert risen["cdp_delivery_seconds_count"] == 2


async def test_a_delivery_that_is_tried_again_is_as_late_as_it_is(api: Api, hook: Receiver) -> None:
    await connect(api, hook)
    hook.answer = lambda request: (500, {})
    with changes("worker") as risen:
        await api.send("/v1/track", {"userId": "ada", "event": "Seen"})
        await api.settle()
    assert risen['cdp_delivery_attempts_total{destination="crm",outcome="retrying"}'] == 1
    assert risen['cdp_latency_seconds_count{topic="deliveries"}'] == 0
    hook.answer = lambda request: (200, {})
    database = api.instance.core.database
    await database.rows(named("update deliveries set due = 0 where due is not null"))
    with changes("worker") as risen:
        await api.instance.driver.jobs.retry_deliveries()
        await api.settle()
    assert risen['cdp_latency_seconds_count{topic="deliveries"}'] == 1


async def test_parked_records_are_counted(api: Api) -> None:
    async with api.instance.core.database.transaction() as connection:
        poison = Message(TOUCHED, b"p" * 16, b"\xff no word of ours")
        await store.emit(connection, [poison], PARTITIONS)
    with changes("worker") as risen:
        await api.settle()
    assert risen['cdp_chunk_parked_total{topic="touched"}'] == 1
    gauges = of_text((await api.client.get("/metrics")).text)
    assert gauges["cdp_parked"] == 1


async def test_the_age_of_what_waits(api: Api) -> None:
    await api.send("/v1/page", PAGE)
    await api.instance.core.database.rows(
        named("update events set received_at = received_at - interval '1 hour'")
    )
    gauges = of_text((await api.client.get("/metrics")).text)
    assert 3600 < gauges["cdp_lag_seconds"] < 3700
    await api.settle()
    assert of_text((await api.client.get("/metrics")).text)["cdp_lag_seconds"] == 0


async def test_no_label_says_who_or_what(api: Api, hook: Receiver) -> None:
    await connect(api, hook)
    secret = "7f4c1e secret"
    message = {"userId": secret, "event": secret, "anonymousId": secret, "traits": {"e": secret}}
    await api.send("/v1/track", message)
    await api.send("/v1/identify", message)
    await api.call("GET", f"/profiles/user_id:{secret}")
    await api.call("GET", f"/segments/{secret}")
    await api.settle()
    for process in metrics.OF_PROCESS:
        assert not [name for name in of(metrics.registry(process)) if "7f4c1e" in name]
