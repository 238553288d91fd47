"""What the collector made of a request: the facts in the log, in clear, and the quarantine."""

from __future__ import annotations

from typing import Any

from cdp.events import EVENTS, Event
from cdp.log import store
from tests.support.instances import Api

_ALL = 100_000


async def stored(api: Api) -> list[Event]:
    """Every fact in the log, by message id."""
    core = api.instance.core
    async with core.database.transaction() as connection:
        positions = dict.fromkeys(range(core.partitions), 0)
        read = await store.read(connection, EVENTS, positions, _ALL)
        records = [record for records in read.values() for record in records]
        opened = await core.keyring.open_events(connection, records)
    return sorted((each.event for each in opened), key=lambda event: event.message_id)


async def one_stored(api: Api) -> Event:
    """The only fact in the log."""
    (event,) = await stored(api)
    return event


async def quarantined(api: Api) -> list[Any]:
    """What is in quarantine, as the API shows it, oldest first."""
    answer = await api.call("GET", "/quarantine?limit=1000")
    assert answer.status_code == 200, answer.text
    return list(answer.json()["quarantine"])


async def reasons(api: Api) -> list[str]:
    """Why each of them is there."""
    return [each["reason"] for each in await quarantined(api)]
