"""Spans: of a request, of the chunks that handle its events, of what is sent because of them."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased

from cdp import telemetry
from cdp.db import named
from cdp.errors import ConfigurationError
from cdp.instance import Running
from cdp.telemetry import Traces
from tests.conftest import Api
from tests.support.collected import stored
from tests.support.instances import api_on, instance_on
from tests.support.receiver import Receiver, receiving

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE = "0af7651916cd43dd8448eb211c80319c"
UNSAMPLED = CALLER[:-1] + "0"


class Spans(InMemorySpanExporter):
    """What would be exported."""

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.get_finished_spans() if span.name == name]


@pytest.fixture
def spans() -> Spans:
    return Spans()


@pytest.fixture
async def api(running: Running, tmp_path: Path, spans: Spans) -> AsyncIterator[Api]:
    """As `CDP_TRACES` makes it; what no caller asks for is not sampled."""
    provider = TracerProvider(sampler=ParentBased(ALWAYS_OFF), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(spans))
    async with instance_on(running, tmp_path, Traces(provider)) as instance, api_on(instance) as on:
        yield on
    provider.shutdown()


@pytest.fixture
async def hook(api: Api) -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        await api.put("/segments/all", {"name": "All", "where": {"event": "Seen"}})
        await api.put("/destinations/crm", {"kind": "webhook", "url": receiver.url})
        await api.settle()
        yield receiver


async def seen(api: Api, user: str, traceparent: str = CALLER) -> None:
    message = {"userId": user, "event": "Seen"}
    answer = await api.send("/v1/track", message, traceparent=traceparent)
    assert answer.status_code == 200


def ids(span: ReadableSpan) -> tuple[str, str, str]:
    """Trace, span, parent."""
    assert span.context is not None
    parent = f"{span.parent.span_id:016x}" if span.parent else ""
    return f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}", parent


async def test_one_trace_from_the_caller_to_the_webhook(
    api: Api, hook: Receiver, spans: Spans
) -> None:
    await seen(api, "ada")
    await api.settle()
    (request,) = spans.named("POST /v1/track")
    trace, span, parent = ids(request)
    assert (trace, parent) == (TRACE, "b7ad6b7169203331")
    for name in ("handle events", "handle touched", "deliver crm"):
        (found,) = spans.named(name)
        assert ids(found)[0] == trace
        assert ids(found)[2] == span
    sent = hook.requests[0].headers["traceparent"]
    assert sent == f"00-{trace}-{ids(spans.named('deliver crm')[0])[1]}-01"
    assert request.attributes == {
        "http.request.method": "POST",
        "http.route": "/v1/track",
        "http.response.status_code": 200,
    }


@pytest.mark.parametrize("traceparent", [UNSAMPLED, "", "nonsense", "00-0-0-01"])
async def test_what_is_not_sampled_leaves_nothing(
    api: Api, hook: Receiver, spans: Spans, traceparent: str
) -> None:
    await seen(api, "ada", traceparent)
    await api.settle()
    assert "traceparent" not in hook.requests[0].headers
    assert spans.get_finished_spans() == ()
    assert [event.trace for event in await stored(api)] == [b""]


async def test_a_chunk_is_of_its_first_trace_and_linked_with_the_others(
    api: Api, hook: Receiver, spans: Spans
) -> None:
    traces = [f"{number:032x}" for number in range(1, 60)]
    for number, trace in enumerate(traces):
        await seen(api, f"u{number}", f"00-{trace}-b7ad6b7169203331-01")
    await seen(api, "not traced", UNSAMPLED)
    await api.settle()
    for topic in ("events", "touched"):
        (chunk,) = spans.named(f"handle {topic}")
        linked = {f"{link.context.trace_id:032x}" for link in chunk.links}
        assert len(linked) == telemetry.MOST_LINKS
        assert linked | {ids(chunk)[0]} < set(traces)
        assert chunk.attributes is not None
        assert chunk.attributes["messaging.batch.message_count"] == 60
    sent = {request.headers.get("traceparent", "00--")[3:35] for request in hook.requests}
    assert sent == {*traces, "-"}  # however many there are, each is told on


async def test_a_try_that_fails_is_an_error_and_the_next_one_of_the_same_trace(
    api: Api, hook: Receiver, spans: Spans
) -> None:
    hook.answer = lambda request: (500, {})
    await seen(api, "ada")
    await api.settle()
    hook.answer = lambda request: (200, {})
    database = api.instance.core.database
    await database.rows(named("update deliveries set due = 0 where due is not null"))
    await api.instance.driver.jobs.retry_deliveries()
    await api.settle()
    first, second = spans.named("deliver crm")
    assert (first.status.is_ok, first.status.description) == (False, "HTTP 500")
    assert second.status.is_unset
    assert {ids(first)[0], ids(second)[0]} == {TRACE}
    headers = [request.headers["traceparent"] for request in hook.requests]
    assert [each[36:52] for each in headers] == [ids(first)[1], ids(second)[1]]


async def test_a_bug_of_ours_is_an_error(api: Api, hook: Receiver, spans: Spans) -> None:
    await api.instance.core.database.rows(named("alter table heads rename to tails"))
    with pytest.raises(Exception, match="heads"):
        await api.send("/v1/page", {"anonymousId": "a"}, traceparent=CALLER)
    (request,) = spans.named("POST /v1/page")
    assert (request.status.is_ok, request.status.description) == (False, "HTTP 500")


async def test_a_batch_is_one_request(api: Api, hook: Receiver, spans: Spans) -> None:
    batch: list[dict[str, Any]] = [
        {"type": "track", "userId": f"u{number}", "event": "Seen"} for number in range(20)
    ]
    await api.send("/v1/batch", {"batch": batch}, traceparent=CALLER)
    await api.settle()
    (chunk,) = spans.named("handle events")
    assert (ids(chunk)[0], list(chunk.links)) == (TRACE, [])
    assert len(spans.named("deliver crm")) == 20
    assert {request.headers["traceparent"][3:35] for request in hook.requests} == {TRACE}


def test_asked_for_but_not_installed_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "path", [])
    for name in [each for each in sys.modules if each.startswith("opentelemetry")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ConfigurationError, match=r"CDP_TRACES is set.*pip install 'cdp\[otel\]'"):
        telemetry.begin("api")
