"""Reads an HTTP request the way the contract wants it read: bounded, inflated, attributed."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from starlette.requests import ClientDisconnect, Request

from cdp.collect.admission import Room
from cdp.collect.inflate import MAX_BODY, inflate, too_large
from cdp.collect.keys import write_keys
from cdp.collect.normalise import decoded_anonymous_id, masked_ip
from cdp.collect.visits import Visit
from cdp.collect.wire import Body, parse
from cdp.errors import Invalid

TRACE = "cdp.trace"  # in a request's scope, where that is traced: see `cdp.origins`


async def read_body(request: Request, room: Room) -> bytes:
    """The plain body; 413 over the limit, however it is sent."""
    chunks: list[bytes] = []
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > MAX_BODY:
                raise too_large()
            room.grow(len(chunk))
            chunks.append(chunk)
    except ClientDisconnect:
        raise Invalid("the body was cut off") from None
    body = inflate(b"".join(chunks))
    if len(body) > size:
        room.grow(len(body) - size)
    return body


async def read_messages(request: Request, room: Room, *, batch: bool) -> Body:
    """The messages in the body."""
    return parse(await read_body(request, room), batch=batch)


class Visitors:
    """Tells from a request who sends it; `proxies` are the addresses whose word counts for IPs."""

    def __init__(self, proxies: Iterable[str]) -> None:
        self._proxies = frozenset(proxy.strip() for proxy in proxies)

    def visit(
        self, request: Request, route: str, kind: str, body_key: object, *, browser: bool
    ) -> Visit:
        """What the request says beside its body; `route` is a pattern: a path may name anything."""
        headers = request.headers
        origin = headers.get("origin", "")
        policy = headers.get("x-ip-policy", "")
        ip = masked_ip(self.address(request), policy) if browser or origin else ""
        query_key = request.query_params.get("writeKey") if request.scope["query_string"] else None
        return Visit(
            route=route,
            kind=kind,
            keys=write_keys(body_key, headers, query_key),
            origin=origin,
            anonymous_id=decoded_anonymous_id(headers.get("anonymousid")),
            ip=ip,
            gpc=headers.get("sec-gpc") == "1",
            strict=headers.get("x-strict-mode") == "1",
            ip_policy=policy,
            trace=request.scope.get(TRACE, b""),
        )

    def address(self, request: Request) -> str:
        """The client's address: the last one in X-Forwarded-For that is not a trusted proxy."""
        peer = _peer(request)
        if peer not in self._proxies:
            return peer
        hops = map(_host, ",".join(request.headers.getlist("x-forwarded-for")).split(","))
        outside = [hop for hop in hops if hop and hop not in self._proxies]
        return outside[-1] if outside else peer

    def scheme(self, request: Request) -> str:
        """`https` or `http`, as the client sees it: X-Forwarded-Proto counts from a proxy alone."""
        told = request.headers.get("x-forwarded-proto", "")
        if told in {"http", "https"} and _peer(request) in self._proxies:
            return told
        return request.url.scheme


def _peer(request: Request) -> str:
    return request.client.host if request.client else ""


def _host(hop: str) -> str:
    """The address in `192.0.2.1`, `192.0.2.1:443`, `2001:db8::1` or `[2001:db8::1]:443`."""
    hop = hop.strip()
    if hop.startswith("["):
        hop = hop[1:].partition("]")[0]
    elif hop.count(":") == 1:
        hop = hop.partition(":")[0]
    try:
        return str(ipaddress.ip_address(hop))
    except ValueError:
        return ""
