"""What reaching a campaign's goal was worth, from the events themselves: nothing of it is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from activation.campaigns import worth
from activation.campaigns.model import Campaign
from activation.campaigns.numbers import Counted
from cdp.db import Connection
from cdp.delivery import composing
from cdp.log.keyring import Keyring

MOST = 50_000  # journeys, the latest
_SLICE = 1000


async def revenue(
    connection: Connection, keyring: Keyring, campaign: Campaign, counted: Counted
) -> dict[str, Any]:
    """By group, by channel and by day of beginning. Who was erased is worth nothing any more."""
    begun = await counted.begun(connection, MOST)
    ids = [each.converted_by for each in begun if each.converted_by is not None]
    name = campaign.goal.value if campaign.goal else ""
    values = await _values(connection, keyring, ids, name)
    return {
        "revenue": worth.compared(worth.summed(begun, values)),
        "variants": worth.parted(begun, values, "template"),
        "channels": worth.parted(begun, values, "channel"),
        "revenue_by_day": worth.parted(begun, values, "day"),
    }


async def _values(
    connection: Connection, keyring: Keyring, ids: Sequence[bytes], name: str
) -> dict[bytes, float]:
    read = composing.properties(keyring)
    found: dict[bytes, float] = {}
    for first in range(0, len(ids), _SLICE):
        for event, properties in (await read(connection, ids[first : first + _SLICE])).items():
            found[event] = worth.value(properties, name)
    return found
