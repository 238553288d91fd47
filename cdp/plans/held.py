"""The plans in force as a process holds them: compiled once for each version, asked by request."""

from __future__ import annotations

import structlog
from jsonschema_rs import ValidationError

from cdp.db import Database
from cdp.plans import store
from cdp.plans.model import Rules, rules_of

log = structlog.get_logger(__name__)


class Plans:
    """By source; none until they are renewed."""

    def __init__(self) -> None:
        self._rules: dict[int, Rules] = {}

    def of(self, source: int) -> Rules | None:
        """What a source's events are held against, if it has a plan."""
        return self._rules.get(source)

    async def renew(self, database: Database) -> None:
        """Learn which plans are in force now."""
        async with database.transaction() as connection:
            found = await store.in_force(connection)
        before, now = self._rules, dict[int, Rules]()
        for plan, _ in found:
            known = before.get(plan.source)
            if known is not None and known.version == plan.version:
                now[plan.source] = known
                continue
            try:
                now[plan.source] = rules_of(plan)
            except (ValidationError, ValueError) as error:  # an earlier version took it
                log.error("plan_unfit", source=plan.source, error=type(error).__name__)
        self._rules = now
