"""Identity rules: read, put in force, and tried before that."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from cdp import trials
from cdp.api import openapi, pages
from cdp.api import samples_identity as samples
from cdp.api.parts import Parts
from cdp.api.routes import Routes
from cdp.db import Connection
from cdp.errors import Conflict, NotFound
from cdp.forms import load
from cdp.times import from_datetime, iso
from identity import rulebook
from identity.rulebook import Trial
from identity.rules import Rules
from identity.schema import RulesSchema, rules_of, written


@dataclass(frozen=True, slots=True)
class IdentityRules:
    """Everything about the rules."""

    parts: Parts

    def router(self) -> APIRouter:
        """The routes."""
        routes = Routes("/api/v1/identity/rules", "Identity", self.parts.keys)
        routes.get(
            "",
            self.get_rules,
            "identity:read",
            openapi.read("The rules in force", samples.RULES),
        )
        routes.put(
            "",
            self.put_rules,
            "identity:write",
            openapi.write("Put rules in force", "RulesSchema", samples.RULES),
        )
        routes.post(
            "/dry-run",
            self.try_rules,
            "identity:write",
            openapi.write("Try rules: what would change", "RulesSchema", samples.TRIAL),
        )
        routes.get(
            "/dry-run/{trial}",
            self.get_trial,
            "identity:read",
            openapi.read("What a trial has found", samples.TRIAL, named="trial"),
            personal=True,
        )
        routes.post(
            "/dry-run/{trial}/activate",
            self.activate,
            "identity:write",
            openapi.act("Put rules that were tried in force", samples.RULES, named="trial"),
        )
        return routes.router

    async def get_rules(self, request: Request) -> Response:
        """The rules, with everything said."""
        async with self.parts.database.transaction() as connection:
            return pages.json(await _current(connection))

    async def put_rules(self, request: Request) -> Response:
        """In force at once for what comes; the graph follows in the background."""
        loaded, _ = load(RulesSchema(), await pages.read_body(request))
        async with self.parts.changing(request) as connection:
            await rulebook.put(connection, written(rules_of(loaded)))
            return pages.json(await _current(connection))

    async def try_rules(self, request: Request) -> Response:
        """Starts a trial; nothing is touched."""
        loaded, _ = load(RulesSchema(), await pages.read_body(request))
        async with self.parts.changing(request) as connection:
            trial = await rulebook.try_out(connection, written(rules_of(loaded)))
            return pages.json(self._shown(await _trial(connection, str(trial))))

    async def get_trial(self, request: Request) -> Response:
        """How far it is, and the difference once it is done."""
        async with self.parts.database.transaction() as connection:
            return pages.json(self._shown(await _trial(connection, request.path_params["trial"])))

    async def activate(self, request: Request) -> Response:
        """Put the rules of a trial in force."""
        async with self.parts.changing(request) as connection:
            trial = await _trial(connection, request.path_params["trial"])
            if trial.state != "done":
                raise Conflict("the trial is not done yet; look at what it finds first")
            await rulebook.put(connection, trial.rules)
            return pages.json(await _current(connection))

    def _shown(self, trial: Trial) -> dict[str, Any]:
        box, result = self.parts.vault.system, trial.result
        return {
            "id": str(trial.id),
            "state": trial.state,
            "done": trial.done,
            "total": trial.total,
            "rules": trial.rules,
            "result": trials.unseal(box, trial.id, result) if result is not None else None,
        }


async def _current(connection: Connection) -> dict[str, Any]:
    found = await rulebook.current(connection)
    if found is None:
        return {"version": 0, "state": "done", "since": None, "rules": written(Rules())}
    return {
        "version": found.version,
        "state": found.state,
        "since": iso(from_datetime(found.created_at)),
        "rules": found.rules,
    }


async def _trial(connection: Connection, ref: str) -> Trial:
    try:
        trial = await rulebook.trial(connection, uuid.UUID(ref))
    except ValueError:
        trial = None
    if trial is None:
        raise NotFound("there is no such trial")
    return trial
