"""Measures a try to deliver, and makes it a span of the trace that its event came in."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from activation.model import Delivery
from cdp import metrics, origins, telemetry, times
from cdp.events import DELIVERIES
from cdp.telemetry import Traces

if TYPE_CHECKING:
    from opentelemetry.trace import Span


class Attempt:
    """One try: `headers` are to be sent along, `ended` tells what came of it."""

    def __init__(self, delivery: Delivery, traces: Traces | None, span: Span | None) -> None:
        self._delivery = delivery
        self._traces = traces
        self._span = span
        self._started = time.perf_counter()

    @property
    def headers(self) -> Mapping[str, str]:
        """So that the receiver's spans can be of the same trace."""
        trace = telemetry.kept(self._span) if self._span is not None else b""
        return {"traceparent": telemetry.traceparent(trace)} if trace else {}

    def ended(self, state: str, reason: str) -> None:
        """It is sent, or put off, or given up; `reason` says why, and nothing of anybody."""
        delivery = self._delivery
        metrics.attempt_seconds.observe(time.perf_counter() - self._started)
        metrics.attempts.labels(delivery.destination, state).inc()
        origin = origins.unpacked(delivery.origin)
        if state == "sent" and origin is not None:
            metrics.durable(DELIVERIES, [origin], times.now())
        if self._span is not None and self._traces is not None and state != "sent":
            self._traces.failed(self._span, reason)


@contextmanager
def attempt(delivery: Delivery, traces: Traces | None) -> Iterator[Attempt]:
    """Around one try."""
    origin = origins.unpacked(delivery.origin)
    span = None
    if traces is not None and origin is not None and origin.trace:
        name = str(uuid.UUID(bytes=delivery.id))
        span = traces.attempt(origin.trace, delivery.destination, name)
    try:
        yield Attempt(delivery, traces, span)
    finally:
        if span is not None:
            span.end()


@contextmanager
def attempts(deliveries: Sequence[Delivery], traces: Traces | None) -> Iterator[list[Attempt]]:
    """Around one try of several."""
    with ExitStack() as stack:
        yield [stack.enter_context(attempt(each, traces)) for each in deliveries]
