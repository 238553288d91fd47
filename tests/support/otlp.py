"""A receiver of OpenTelemetry's protocol on loopback, over HTTP with protobuf: notes every span."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


class Span(NamedTuple):
    """One span; ids are hexadecimal."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    attributes: dict[str, str]


class Otlp:
    """`url` is what `OTEL_EXPORTER_OTLP_ENDPOINT` wants."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.spans: list[Span] = []

    def until(self, name: str, count: int = 1, seconds: float = 20.0) -> list[Span]:
        """Wait for so many spans of this name."""
        deadline = time.monotonic() + seconds
        while len(found := [span for span in list(self.spans) if span.name == name]) < count:
            assert time.monotonic() < deadline, f"no {name}: {[each.name for each in self.spans]}"
            time.sleep(0.05)
        return found

    def take(self, body: bytes) -> None:
        """Note what one request brings."""
        for group in ExportTraceServiceRequest.FromString(body).resource_spans:
            named = {each.key: each.value.string_value for each in group.resource.attributes}
            for span in (span for scope in group.scope_spans for span in scope.spans):
                attributes = {
                    each.key: each.value.string_value or str(each.value.int_value)
                    for each in span.attributes
                }
                ids = (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex())
                self.spans.append(Span(named["service.name"], span.name, *ids, attributes))


@contextmanager
def receiving_spans() -> Iterator[Otlp]:
    """A running receiver."""
    otlp = Otlp("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            packed = self.headers.get("content-encoding") == "gzip"
            assert self.path == "/v1/traces"
            otlp.take(gzip.decompress(body) if packed else body)
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Tests print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    otlp.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield otlp
    server.shutdown()
    server.server_close()
    thread.join()
