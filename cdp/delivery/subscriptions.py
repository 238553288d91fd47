"""Push subscriptions end as they begin: by a fact of their person, so that a replay agrees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cdp import facts
from cdp.delivery.finding import Finding
from cdp.events import Event
from cdp.log.vault import Vault


def told(vault: Vault, traits: Mapping[str, Any], who: Mapping[str, Any], name: str = "") -> Event:
    """The fact that somebody's subscriptions are these from now on; None ends one."""
    return facts.fact(vault, "identify", {}, message_id=name, traits=dict(traits), **who)


@dataclass(frozen=True, slots=True)
class Gone:
    """Ends subscriptions that a push service says are no more."""

    finding: Finding

    async def __call__(
        self, view: Mapping[str, Any], names: Sequence[str], delivery: bytes
    ) -> None:
        """Once for each delivery that found out."""
        vault, ends = self.finding.keyring.vault, dict.fromkeys(names)
        name = f"push gone {delivery.hex()} {sorted(names)}"
        async with self.finding.database.transaction() as connection:
            await self.finding.note(
                connection, view, name, lambda who: told(vault, ends, who, name)
            )
