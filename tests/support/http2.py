"""A server on loopback that speaks HTTP/2 alone, without TLS, and notes what it gets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import h2.config
import h2.connection
import h2.events

from tests.support.receiver import Receiver, Request


@asynccontextmanager
async def receiving2() -> AsyncIterator[Receiver]:
    """Like `receiving`; a request's headers have `:path` among them."""
    receiver = Receiver("")

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        config = h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        connection = h2.connection.H2Connection(config=config)
        connection.initiate_connection()
        begun: dict[int, Request] = {}
        try:
            writer.write(connection.data_to_send())
            while data := await reader.read(65_536):
                for event in connection.receive_data(data):
                    _take(receiver, connection, begun, event)
                writer.write(connection.data_to_send())
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    receiver.url = f"http://{host}:{port}"
    yield receiver
    server.close()


def _take(
    receiver: Receiver,
    connection: h2.connection.H2Connection,
    begun: dict[int, Request],
    event: h2.events.Event,
) -> None:
    if isinstance(event, h2.events.RequestReceived):
        headers = {str(name): str(value) for name, value in event.headers}
        begun[event.stream_id] = Request(headers, b"")
    elif isinstance(event, h2.events.DataReceived):
        begun[event.stream_id].body += event.data
        connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
    elif isinstance(event, h2.events.StreamEnded):
        request = begun.pop(event.stream_id)
        receiver.requests.append(request)
        answer = receiver.answer(request)
        assert answer is not None
        status, headers = answer
        told = [(":status", str(status)), *headers.items()]
        connection.send_headers(event.stream_id, told, end_stream=True)
