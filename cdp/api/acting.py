"""An API call as an entry of the audit log: whose key, which route, about what or whom."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import wraps
from typing import NamedTuple, TypeAlias

from fastapi import Request
from starlette.responses import Response

from cdp import times
from cdp.api import refs
from cdp.audit import DONE, Audit, Entry
from cdp.collect.keys import ApiKey
from cdp.db import Connection, Database
from cdp.errors import Invalid, ProblemError
from cdp.events import Identifier, SubjectId
from cdp.log.vault import Vault

Handler: TypeAlias = Callable[[Request], Awaitable[Response]]
_PLAIN = re.compile(r"[a-z0-9_-]{1,64}")
_THINGS = ("key", "trial", "request", "source")  # parameters that name anything else
_NAMES = ("ref", "profile", "a", "b", "about")  # parameters that name people


class Actor(NamedTuple):
    """Whose key a request comes with, and from where."""

    key: ApiKey
    address: str


def note(request: Request, actor: Actor) -> None:
    """Remember, for as long as the request lasts, who makes it."""
    request.state.actor = actor


def named(request: Request, *people: Identifier) -> None:
    """Remember whom a request's body names."""
    request.state.people = people


def about(request: Request, *nodes: SubjectId) -> None:
    """Remember whom a request is about of whom only the hash is known."""
    request.state.nodes = nodes


def audited(audit: Audit, handler: Handler, *, reads: bool) -> Handler:
    """A handler whose calls are in the audit log, done or refused.

    What changes something in a transaction has its entry there (`changing`). Else it is written
    before the answer; of what only reads, a moment later.
    """

    @wraps(handler)
    async def handle(request: Request) -> Response:
        try:
            response = await handler(request)
        except ProblemError as error:
            audit.note(entry(request, audit.vault, str(error.status)))
            raise
        if reads:
            audit.read(entry(request, audit.vault))
        elif not getattr(request.state, "audited", False):
            await audit.alone(entry(request, audit.vault))
        return response

    return handle


@asynccontextmanager
async def changing(database: Database, audit: Audit, request: Request) -> AsyncIterator[Connection]:
    """A transaction that has its entry in the audit log: both are there, or neither."""
    async with database.transaction() as connection:
        yield connection
        await audit.write(connection, entry(request, audit.vault))
    request.state.audited = True


def entry(request: Request, vault: Vault, outcome: str = DONE) -> Entry:
    """What is noted: people as keyed hashes, everything else by the names that operators gave."""
    actor: Actor = request.state.actor
    path, query = request.path_params, request.query_params
    said = [path.get(name) or query.get(name) for name in _NAMES]
    people = [_node(vault, ref) for ref in said if ref]
    people += [vault.subject(*each) for each in getattr(request.state, "people", ())]
    people += getattr(request.state, "nodes", ())
    targets = [*(path.get(name) for name in _THINGS), query.get("destination")]
    return Entry(
        at=times.now(),
        actor=f"api:{actor.key.id}",
        name=actor.key.name,
        address=actor.address,
        action=f"{request.method} {request.scope['route'].path_format}",
        target=_target(next(filter(None, targets), "")),
        people=tuple(dict.fromkeys(filter(None, people))),
        outcome=outcome,
        request=request.state.request_id,
    )


def _target(named: str) -> str:
    """A key that is none may be anything: nothing of it is kept."""
    return named if _PLAIN.fullmatch(named) else "?" if named else ""


def _node(vault: Vault, ref: str) -> bytes:
    try:
        who = refs.identifier(ref)
    except Invalid:
        return b""
    return vault.subject(*who) if isinstance(who, Identifier) else who
