"""An instance with a past, backups of it, and instances restored from them, inside a test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bench.shop import messages
from cdp import digest, transfer
from cdp.backup.manifest import Manifest
from cdp.db import named
from cdp.instance import Running
from cdp.privacy.reapplying import Erasure
from cdp.settings import Settings
from cdp.transfer import Restored
from tests.support.instances import Api, Instance, api_on, instance_on
from tests.support.receiver import Receiver
from tests.support.stores import MASTER_KEY, PLACE, Stores

BUYERS = {"event": "Order Completed", "where": [{"property": "revenue", "gt": 50}], "within": "7d"}
GERMANS = {"all": [{"trait": "country", "eq": "DE"}, {"event": "page", "count": {"gte": 2}}]}
RULES = {"namespaces": {"anonymous_id": {"limit": 500}}}


async def live(api: Api, hook: Receiver, events: int = 600) -> None:
    """Segments, a webhook, consent, identity rules, a word of an operator, refusals, events."""
    for key, where in (("buyers", BUYERS), ("germans", GERMANS)):
        await api.put(f"/segments/{key}", {"name": key, "where": where})
    hears = {"kind": "webhook", "url": hook.url, "segments": ["buyers"]}
    await api.put("/destinations/crm", hears)
    stream = messages(40)
    for _ in range(events // 100):
        batch = [next(stream) for _ in range(100)]
        assert (await api.send("/v1/batch", {"batch": batch})).status_code == 200
        await api.settle()
    for user, purpose, state in (
        ("user-00000001", "marketing_email", "granted"),
        ("user-00000002", "analytics", "denied"),
    ):
        await api.put(f"/consent/user_id:{user}", {"purpose": purpose, "state": state})
    word = {"a": "user_id:user-00000003", "b": "user_id:user-00000004", "reason": "twins"}
    assert (await api.call("POST", "/identity/unlink", json=word)).status_code == 200
    bought = {"event": "Order Completed", "properties": {"revenue": 99}}
    for call, who in (
        ("identify", {"anonymousId": "phone"}),
        ("track", {"userId": "ada", **bought}),
        ("identify", {"userId": "ada", "anonymousId": "phone"}),  # a buyer by another id
    ):
        await api.send(f"/v1/{call}", who)
        await api.settle()
    await api.send("/v1/track", {"userId": "ada"})  # without a name: to quarantine
    await api.settle()


async def digests(instance: Instance) -> dict[str, Any]:
    """What every projection amounts to."""
    async with instance.core.database.snapshot() as connection:
        found = await digest.all_of(connection, instance.core.keyring)
    return {each.projection: (each.rows, each.sha256) for each in found}


async def rows(instance: Instance, table: str, order: str) -> list[Any]:
    """All of a table."""
    query = f"select * from {table} order by {order}"
    return [tuple(row) for row in await instance.core.database.rows(named(query))]  # type: ignore[arg-type]


def back_up(instance: Instance, running: Running, directory: Path) -> tuple[Manifest, int]:
    """As `cdp backup` does."""
    return transfer.back_up(instance.settings, running, directory, lambda *told: None)


async def restore(
    stores: Stores, directory: Path, home: Path, partitions: int | None = None
) -> tuple[Running, Restored]:
    """As `cdp restore` does, into a database without tables."""
    running = stores.empty()
    return running, await restore_into(running, directory, home, partitions)


async def restore_into(
    running: Running,
    directory: Path,
    home: Path,
    partitions: int | None = None,
    gone: Sequence[Erasure] = (),
) -> Restored:
    """The same into a given database."""
    settings = Settings(data_dir=home, master_key=MASTER_KEY, jurisdiction=PLACE)
    opened = transfer.must_open(settings, directory)._replace(gone=gone)
    return await transfer.restore(settings, running, opened, partitions, lambda *told: None)


@asynccontextmanager
async def api_of(running: Running, home: Path) -> AsyncIterator[Api]:
    """An API over a restored database."""
    async with instance_on(running, home) as instance, api_on(instance) as api:
        yield api
