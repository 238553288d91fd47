"""Destinations: where audiences and messages go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from activation import store
from activation.kinds import KINDS
from activation.lanes import store as circuits
from activation.lanes.model import Circuit, is_due
from activation.model import Destination
from activation.opening import kept_as, secrets_of
from activation.refreshing import store as refreshing
from activation.store import COMMON, Stored
from cdp import times
from cdp.api import openapi, pages, refs, samples, syncs
from cdp.api.parts import Parts
from cdp.api.routes import Routes
from cdp.errors import Invalid, NotFound
from cdp.forms import load, read
from cdp.times import iso


def _place(key: str) -> bytes:
    return b"secret" + key.encode()


@dataclass(frozen=True, slots=True)
class Destinations:
    """Destinations."""

    parts: Parts

    def router(self) -> APIRouter:
        """The routes."""
        routes = Routes("/api/v1", "Activation", self.parts.keys)
        routes.get(
            "/destinations",
            self.list_destinations,
            "destinations:read",
            openapi.read("All destinations", samples.DESTINATIONS),
        )
        routes.put(
            "/destinations/{key}",
            self.put_destination,
            "destinations:write",
            openapi.write(
                "Define a destination", "Destination", samples.DESTINATION_PUT, named="key"
            ),
        )
        routes.get(
            "/destinations/{key}",
            self.get_destination,
            "destinations:read",
            openapi.read("One destination", samples.DESTINATION_TOLD, named="key"),
        )
        routes.delete(
            "/destinations/{key}",
            self.delete_destination,
            "destinations:write",
            openapi.delete("Delete a destination; its deliveries stay in the ledger"),
        )
        return routes.router

    async def list_destinations(self, request: Request) -> Response:
        """Every destination."""
        async with self.parts.database.transaction() as connection:
            found = await store.destinations(connection)
        return pages.json({"destinations": [_shown(each.destination) for each in found]})

    async def put_destination(self, request: Request) -> Response:
        """Create or change one; a secret that was made up is told once."""
        key = refs.key(request)
        destination, given = written(key, await pages.read_body(request))
        async with self.parts.changing(request) as connection:
            if destination.purpose:
                await refs.known_purpose(connection, destination.purpose)
            before = await store.find(connection, key)
            kept: Mapping[str, str] = {}
            if before is not None and before.destination.kind == destination.kind:
                kept = secrets_of(opened_secret(self.parts, before))
            known = {**kept, **given}
            _complete(destination.kind, known)
            made = {
                name: make()
                for name, make in KINDS[destination.kind].made.items()
                if name not in known
            }
            sealed = self.parts.vault.system.seal(kept_as(known | made).encode(), _place(key))
            await store.put(connection, destination, sealed)
            await refreshing.watch(connection)
            await syncs.begin(connection, before and before.destination, destination)
            await circuits.close(connection, key)  # it may be mended now
        return pages.json(_shown(destination) | made)

    async def get_destination(self, request: Request) -> Response:
        """One destination."""
        async with self.parts.database.transaction() as connection:
            key = refs.key(request)
            found = await store.find(connection, key)
            circuit = (await circuits.circuits(connection, [key])).get(key)
            sync = await syncs.latest(connection, key)
        if found is None:
            raise NotFound("there is no such destination")
        told = {"circuit": _circuit(circuit), "sync": sync}
        return pages.json(_shown(found.destination) | told)

    async def delete_destination(self, request: Request) -> Response:
        """Remove one."""
        async with self.parts.changing(request) as connection:
            key = refs.key(request)
            if not await store.delete(connection, key):
                raise NotFound("there is no such destination")
            await circuits.close(connection, key)  # what is held for it is ended when it is due
            await syncs.forget(connection, key)
            await refreshing.forget(connection, key)
            await refreshing.watch(connection)
        return Response(status_code=204)


def _complete(kind: str, known: Mapping[str, str]) -> None:
    for name in sorted(KINDS[kind].needed - known.keys()):
        raise Invalid(f"{name}: Must be given at first; it is kept from then on.", field=name)


def opened_secret(parts: Parts, stored: Stored) -> str:
    """What is kept of a destination's secrets."""
    return parts.vault.system.open(stored.secret, _place(stored.destination.key)).decode()


def written(key: str, body: bytes) -> tuple[Destination, dict[str, str]]:
    """A destination as it was written, checked by its kind's form; and the secrets given with it.

    Invalid names the field and the fix.
    """
    said = read(body)
    kind = said.get("kind") if isinstance(said, dict) else None
    if not isinstance(kind, str) or kind not in KINDS:
        raise Invalid(f"kind: Must be one of {', '.join(KINDS)}.", field="kind")
    loaded, _ = load(KINDS[kind].form(), body)
    given = {name: loaded.pop(name) for name in KINDS[kind].secrets if name in loaded}
    common = {name: loaded.pop(name) for name in COMMON if name in loaded}
    common["segments"] = tuple(common["segments"])
    for name in ("segments", "consent_events"):
        if common[name] and not KINDS[kind].changes:
            raise Invalid(
                f"{name}: a destination of kind {kind} is not told of segments or consent: it"
                " carries the messages of campaigns. Leave it out.",
                field=name,
            )
    common["channel"] = common["channel"] or KINDS[kind].channel
    return Destination(key=key, settings=loaded, **common), given


def _shown(destination: Destination) -> dict[str, Any]:
    common = {name: getattr(destination, name) for name in COMMON if name != "kind"}
    return {"key": destination.key, "kind": destination.kind} | dict(destination.settings) | common


def _circuit(circuit: Circuit | None) -> dict[str, Any]:
    """Whether it is tried; `half-open` while one delivery tries it, or may at once."""
    if circuit is None or circuit.state == "closing":
        return {"state": "closed", "since": None, "until": None, "reason": ""}
    return {
        "state": "half-open" if is_due(circuit, times.now()) else "open",
        "since": iso(circuit.since),
        "until": iso(circuit.until),
        "reason": circuit.reason,
    }
