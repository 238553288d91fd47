"""OpenTelemetry: one trace from an SDK's request through the agents to a destination.

A request that is sampled leaves its trace and span in the events it brings, 24 bytes each, and
whatever is done with them later says so. Without `CDP_TRACES` none of this is even imported.
"""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from cdp.errors import ConfigurationError
from cdp.origins import TRACE

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, SpanContext

MOST_LINKS: Final = 32  # of a chunk's span to other traces; what is more is not told
FLUSH_SECONDS: Final = 2.0  # that the end of a process may wait for its last spans to be sent
_TRACE_ID = 16
_NEEDED = ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http.trace_exporter")


class Traces:
    """Makes spans; `begin` gives the one for a process."""

    def __init__(self, provider: TracerProvider) -> None:
        from opentelemetry import trace
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._api = trace
        self._provider = provider
        self._tracer = provider.get_tracer("cdp")
        self._propagator = TraceContextTextMapPropagator()

    def request(self, traceparent: str) -> Span:
        """The span of a request that has just come, in its caller's trace if it says one."""
        context = self._propagator.extract({"traceparent": traceparent}) if traceparent else None
        return self._tracer.start_span("request", context, kind=self._api.SpanKind.SERVER)

    def chunk(self, topic: str, traces: Iterable[bytes], started: float, records: int) -> None:
        """A chunk is done that has these traces' events in it; `started` in seconds since 1970.

        It is a span of the first trace, and linked with the others.
        """
        once = list(dict.fromkeys(traces))[: 1 + MOST_LINKS]
        if not once:
            return
        links = [self._api.Link(self._context(each)) for each in once[1:]]
        span = self._tracer.start_span(
            f"handle {topic}",
            self._under(once[0]),
            kind=self._api.SpanKind.CONSUMER,
            attributes={
                "messaging.system": "cdp",
                "messaging.operation.type": "process",
                "messaging.destination.name": topic,
                "messaging.batch.message_count": records,
            },
            links=links,
            start_time=round(started * 1e9),
        )
        span.end()

    def attempt(self, trace: bytes, destination: str, delivery: str) -> Span:
        """A try to deliver what an event of this trace caused."""
        return self._tracer.start_span(
            f"deliver {destination}",
            self._under(trace),
            kind=self._api.SpanKind.CLIENT,
            attributes={"cdp.destination": destination, "cdp.delivery": delivery},
        )

    def failed(self, span: Span, why: str) -> None:
        """Mark a span; `why` says nothing of anybody."""
        span.set_status(self._api.Status(self._api.StatusCode.ERROR, why))

    def close(self) -> None:
        """Send what is left, for a moment: a process that is told to stop does."""
        closing = threading.Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(FLUSH_SECONDS)

    def _under(self, trace: bytes) -> Any:
        return self._api.set_span_in_context(self._api.NonRecordingSpan(self._context(trace)))

    def _context(self, trace: bytes) -> SpanContext:
        trace_id, span_id = trace[:_TRACE_ID], trace[_TRACE_ID:]
        return self._api.SpanContext(
            int.from_bytes(trace_id),
            int.from_bytes(span_id),
            is_remote=True,
            trace_flags=self._api.TraceFlags(self._api.TraceFlags.SAMPLED),
        )


def kept(span: Span) -> bytes:
    """A span as events and deliveries keep it; nothing if it is not sampled."""
    context = span.get_span_context()
    if not context.trace_flags.sampled:
        return b""
    return context.trace_id.to_bytes(_TRACE_ID) + context.span_id.to_bytes(TRACE - _TRACE_ID)


def trace_id(trace: bytes) -> str:
    """As logs and other tools write it."""
    return trace[:_TRACE_ID].hex()


def traceparent(trace: bytes) -> str:
    """As a request to somebody else says it (W3C Trace Context, section 3.2)."""
    return f"00-{trace_id(trace)}-{trace[_TRACE_ID:].hex()}-01"


def must_be_installed() -> None:
    """ConfigurationError if what `CDP_TRACES` asks for is not there."""
    for needed in _NEEDED:
        try:
            found = importlib.util.find_spec(needed)
        except ModuleNotFoundError:  # of a package above it
            found = None
        if found is None:
            raise ConfigurationError(
                f"CDP_TRACES is set, but {needed} is not installed: pip install 'cdp[otel]'"
            )


def begin(process: str) -> Traces:
    """Send spans to where the `OTEL_*` variables say, which the SDK reads."""
    must_be_installed()

    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource.create()
    if str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):
        resource = resource.merge(Resource({SERVICE_NAME: f"cdp-{process}"}))
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Traces(provider)
