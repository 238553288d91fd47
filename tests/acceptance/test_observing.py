"""A platform is watched from outside: its doors, a trace through all of it, its status."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator

import httpx
import pytest

from tests.support.born import again
from tests.support.clusters import plain_url
from tests.support.exposed import documented, families
from tests.support.kafka import Kafka
from tests.support.otlp import Otlp, receiving_spans
from tests.support.platform import Platform, free_ports
from tests.support.receiver import receiving
from tests.support.samples import of_text

OF_DATABASE = {f"cdp_{name}" for name in ("events", "profiles", "lag", "lag_seconds", "parked")}
OF_DATABASE |= {f"cdp_{name}" for name in ("quarantined", "uncollected", "building", "deliveries")}
CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(scope="module")
def otlp() -> Iterator[Otlp]:
    with receiving_spans() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def first_port() -> int:
    return free_ports(5)


@pytest.fixture(scope="module")
def watched(
    tmp_path_factory: pytest.TempPathFactory, otlp: Otlp, first_port: int
) -> Iterator[Platform]:
    with again(
        tmp_path_factory.mktemp("watched"),
        CDP_WORKERS="2",
        CDP_METRICS_PORT=str(first_port),
        CDP_TRACES="1",
        OTEL_EXPORTER_OTLP_ENDPOINT=otlp.url,
        OTEL_BSP_SCHEDULE_DELAY="100",
        OTEL_TRACES_SAMPLER="parentbased_always_off",
    ) as platform:
        yield platform


def door(port: int, path: str = "/metrics") -> str:
    answer = httpx.get(f"http://127.0.0.1:{port}{path}", trust_env=False)
    return answer.raise_for_status().text


def test_every_process_shows_what_the_page_says(watched: Platform, first_port: int) -> None:
    texts = {"api": watched.get("/metrics").text}
    for number, process in enumerate(("api behind", "scheduler", "worker", "worker 2")):
        texts[process] = door(first_port + number)
        assert json.loads(door(first_port + number, "/health/live")) == {"status": "ok"}
    for process, text in texts.items():
        kind = process.partition(" ")[0]
        told = {row.name: row.kind for row in documented() if kind in row.processes}
        if process == "api behind":
            told = {name: kind for name, kind in told.items() if name not in OF_DATABASE}
        assert families(text) == told
        assert of_text(text)["process_resident_memory_bytes"] > 1e7
    assert of_text(texts["scheduler"])['cdp_leader{role="scheduler"}'] == 1


def test_workers_say_how_many_partitions_they_have(watched: Platform, first_port: int) -> None:
    def settled() -> bool:
        held = [of_text(door(first_port + number)) for number in (2, 3)]
        return all(each.get('cdp_partitions{topic="events"}') == 4 for each in held)

    watched.wait_for(settled, 30, "fair share")
    workers = {each["worker"] for each in watched.status()["partitions"]}
    pids = {each.pid for each in watched.processes("cdp worker")}
    assert {int(worker.rpartition("/")[2]) for worker in workers} == pids


async def test_one_trace_from_an_sdk_to_a_webhook(watched: Platform, otlp: Otlp) -> None:
    watched.put("/segments/traced", {"name": "T", "where": {"event": "Traced"}})
    async with receiving() as hook:
        watched.put("/destinations/crm", {"kind": "webhook", "url": hook.url})
        watched.wait_quiet()
        order = {"userId": "ada", "event": "Traced"}
        assert watched.send("/v1/track", order, traceparent=CALLER).is_success
        await hook.until(1, 20)
    (request,) = otlp.until("POST /v1/track")
    (events,), (touched,) = otlp.until("handle events"), otlp.until("handle touched")
    (delivery,) = otlp.until("deliver crm")
    spans = (request, events, touched, delivery)
    assert {span.trace for span in spans} == {CALLER[3:35]}
    assert request.parent == CALLER[36:52]
    assert {span.parent for span in spans[1:]} == {request.id}
    assert hook.requests[0].headers["traceparent"] == f"00-{request.trace}-{delivery.id}-01"
    assert [span.service for span in spans] == ["cdp-api", *["cdp-worker"] * 3]
    assert request.attributes["http.route"] == "/v1/track"


def test_latencies_come_out(watched: Platform, first_port: int) -> None:
    watched.send("/v1/track", {"userId": "bob", "event": "Seen"})
    watched.wait_quiet()
    both = [of_text(door(first_port + number)) for number in (2, 3)]
    for topic in ("events", "touched"):
        name = f'cdp_latency_seconds_bucket{{le="60.0",topic="{topic}"}}'
        assert sum(each.get(name, 0) for each in both) >= 1


def test_watching(watched: Platform) -> None:
    with watched.begin("status", "--watch", "--json") as process:
        assert process.stdout is not None
        try:
            looks = [json.loads(process.stdout.readline())]
            watched.send("/v1/track", {"userId": "eve", "event": "Seen"})
            while looks[-1]["events"] == looks[0]["events"]:
                looks.append(json.loads(process.stdout.readline()))
        finally:
            process.send_signal(signal.SIGINT)
    assert process.returncode == 0
    assert looks[0]["rates"]["events"] == {"appended": 0, "handled": 0}
    assert looks[-1]["rates"]["events"]["appended"] > 0


def test_over_kafka_the_relay_is_seen_too(
    tmp_path_factory: pytest.TempPathFactory, kafka: Kafka
) -> None:
    port = free_ports(4)
    settings = {"CDP_KAFKA_URL": plain_url(kafka), "CDP_METRICS_PORT": str(port)}
    with again(tmp_path_factory.mktemp("relayed"), **settings) as platform:
        platform.send("/v1/track", {"userId": "ada", "event": "Seen"})
        platform.wait_quiet()
        relay = of_text(door(port + 2))
        assert relay['cdp_relay_published_total{topic="events"}'] == 1
        assert relay['cdp_leader{role="relay"}'] == 1
        told = {row.name: row.kind for row in documented() if "relay" in row.processes}
        assert families(door(port + 2)) == told
        assert platform.status()["relay_lag"] == {"events": 0, "touched": 0, "deliveries": 0}
        assert {each["worker"] for each in platform.status()["partitions"]} == {""}


def test_where_it_is_no_terminal_it_prints_a_table(watched: Platform) -> None:
    told = watched.command("status")
    assert "lag_seconds" in told
    assert told.count("(4)") == 6, told
    assert "\x1b" not in told
