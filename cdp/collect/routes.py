"""The collector's routes, as unmodified SDKs of Segment, RudderStack and Jitsu call them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import structlog
from fastapi import APIRouter, Request
from starlette.responses import FileResponse, Response

from cdp.collect import answers, documentation, pixel
from cdp.collect.admission import Admission
from cdp.collect.collector import Collector, Result
from cdp.collect.keys import hashed, write_keys
from cdp.collect.request import Visitors, read_messages
from cdp.collect.wire import Body, parse
from cdp.errors import NotFound, ProblemError, StoreUnavailable
from cdp.limits import caller

CALLS = ("track", "identify", "page", "screen", "group", "alias", "merge")
_LETTERS = {"t": "track", "i": "identify", "p": "page", "s": "screen", "g": "group", "a": "alias"}
_PIXEL = "/v1/pixel/{call}"
_SUCCESS = b'{"success": true}'
_SCRIPTS = {
    "segment": "@segment/analytics-next/dist/umd/standalone.js",
    "jitsu": "@jitsu/js/dist/web/p.js.txt",
}

Handler: TypeAlias = Callable[[Request], Awaitable[Response]]
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Collecting:
    """The handlers; `public_url` is how SDKs reach us, empty to take it from the request."""

    collector: Collector
    visitors: Visitors
    admission: Admission
    public_url: str = ""
    sdk_dir: Path | None = None

    def router(self) -> APIRouter:
        """Every route of the contract."""
        router = APIRouter(tags=["Collect"])
        for path, handler, about in self._posts():
            router.add_api_route(path, handler, methods=["POST"], **about)
        self._add_reads(router)
        return router

    def posts(self) -> dict[str, Handler]:
        """What carries the load, by path: `cdp.api.front` answers it without a framework."""
        return {path: handler for path, handler, _ in self._posts()}

    def _posts(self) -> Iterator[tuple[str, Handler, dict[str, Any]]]:
        for call in CALLS:
            yield self._post(f"/v1/{call}", call)
        for letter, call in _LETTERS.items():
            yield self._post(f"/v1/{letter}", call, browser=True)
        for path in ("/v1/batch", "/v1/import"):
            yield self._post(path)
        for path in ("/v1/b", "/b", "/beacon/v1/batch"):
            yield self._post(path, browser=True)
        for call in ("page", "track", "identify", "group", "event"):
            yield self._post(f"/api/s/{call}", call, browser=True)
            yield self._post(f"/api/s/s2s/{call}", call)
        yield "/v1/m", _metrics, documentation.METRICS

    def _post(
        self, path: str, call: str = "", *, browser: bool = False
    ) -> tuple[str, Handler, dict[str, Any]]:
        """Without a call it is a route for batches; of `event` each message says what it is."""
        kind = "" if call == "event" else call

        async def take(request: Request) -> Response:
            with self.admission.room(request.scope) as room:
                body = await self._admitted(
                    request, lambda: read_messages(request, room, batch=not call)
                )
                key = body.envelope.write_key
                visit = self.visitors.visit(request, path, kind, key, browser=browser)
                found = await self.collector.sort(body, visit)
                del body  # while the commit is awaited, what is to be stored is enough
                room.counted(len(found.facts))
                await self.collector.keep(found)
            if visit.strict and any(result.problem for result in found.results):
                return _strict(found.results)
            return Response(_SUCCESS, media_type="application/json")

        return path, take, documentation.call(call) if call else documentation.BATCH

    def _add_reads(self, router: APIRouter) -> None:
        def get(path: str, handler: Handler, about: dict[str, Any], *more: str) -> None:
            router.add_api_route(path, handler, methods=["GET", *more], **about)

        get(_PIXEL, self._pixel, documentation.PIXEL)
        get("/v1/projects/{key}/settings", self._settings, documentation.SETTINGS)
        get("/sourceConfig", self._source_config, documentation.SOURCE_CONFIG)
        get("/sourceConfig/", self._source_config, documentation.HIDDEN)
        router.add_api_route("/sourceConfig/", _alive, methods=["HEAD"], include_in_schema=False)
        router.add_api_route("/sourceConfig", _alive, methods=["HEAD"], include_in_schema=False)
        path = "/analytics.js/v1/{key}/analytics.min.js"
        get(path, self._script("segment"), documentation.SCRIPT)
        get("/p.js", self._script("jitsu"), documentation.SCRIPT)

    async def _pixel(self, request: Request) -> Response:
        call = request.path_params["call"]
        try:
            body = await self._admitted(request, lambda: _pictured(request))
            kind = call if call in CALLS else _LETTERS.get(call, "")
            key = body.envelope.write_key
            visit = self.visitors.visit(request, _PIXEL, kind, key, browser=True)
            with self.admission.room(request.scope):
                await self.collector.keep(
                    await self.collector.sort(body, visit._replace(strict=False))
                )
        except (ProblemError, StoreUnavailable) as error:  # the picture must never break
            log.info("pixel_refused", error=type(error).__name__)
        return Response(pixel.GIF, media_type="image/gif", headers={"Cache-Control": "no-store"})

    async def _admitted(self, request: Request, read: Callable[[], Awaitable[Body]]) -> Body:
        """The body, unless its sender's address is over its rate; then it is not even read."""
        rates = self.collector.rates
        if rates.address is None:
            return await read()
        who = caller(self.visitors.address(request))
        await rates.limits.check(rates.address, who)
        body = await read()
        await rates.limits.take(rates.address, who, body.size)
        return body

    async def _settings(self, request: Request) -> Response:
        key = request.path_params["key"]
        await self._known(key)
        return _json(answers.segment_settings(key, self.base_url(request)))

    async def _source_config(self, request: Request) -> Response:
        for key in write_keys(None, request.headers, request.query_params.get("writeKey")):
            source = await self.collector.sources.find(hashed(key))
            if source is not None:
                return _json(answers.rudderstack_config(key, source.id, source.name))
        raise NotFound("no source has this write key", field="writeKey")

    async def _known(self, key: str) -> None:
        if await self.collector.sources.find(hashed(key)) is None:
            raise NotFound("no source has this write key", field="key")

    def base_url(self, request: Request) -> str:
        """Where SDKs and people reach us."""
        scheme = self.visitors.scheme(request)
        return self.public_url or f"{scheme}://{request.headers.get('host', '')}"

    def _script(self, name: str) -> Handler:
        async def script(request: Request) -> Response:
            path = self.sdk_dir / _SCRIPTS[name] if self.sdk_dir else None
            if path is None or not path.is_file():
                raise NotFound("the operator has not installed this SDK; see CDP_SDK_DIR")
            return FileResponse(path, media_type="application/javascript")

        return script


async def _pictured(request: Request) -> Body:
    return parse(pixel.message(request.query_params.multi_items()), batch=False)


async def _metrics(request: Request) -> Response:
    """Segment's own client metrics: taken, and not kept."""
    return Response(_SUCCESS, media_type="application/json")


async def _alive(request: Request) -> Response:
    return Response()


def _strict(results: Sequence[Result]) -> Response:
    told = [
        {
            "messageId": result.message_id,
            "status": "refused" if result.problem else "accepted",
            "reason": result.problem,
        }
        for result in results
    ]
    refused = sum(1 for result in results if result.problem)
    message = f"{refused} of {len(results)} messages were refused"
    return _json({"code": "invalid_messages", "message": message, "results": told}, 400)


def _json(content: object, status: int = 200) -> Response:
    body = msgspec.json.encode(content)
    return Response(body, status_code=status, media_type="application/json")
