"""The advisory locks by which workers share partitions, and who holds them now."""

from __future__ import annotations

from typing import Final

from cdp.db import Connection, named
from cdp.events import TOPICS
from cdp.locks import Lock
from cdp.stream.checkpoints import Place

MEMBER: Final = int(Lock.MEMBER)
NAME: Final = "cdp worker "  # begins the name of a session that holds them

_OWNERS = named(
    """
    select l.classid::bigint - :first, l.objid::bigint, a.application_name
      from pg_locks l join pg_stat_activity a using (pid)
     where l.locktype = 'advisory' and l.granted and l.objsubid = 2
       and l.classid::bigint between :first and :last
       and l.database = (select oid from pg_database where datname = current_database())
    """
)


def lease(topic: str, partition: int) -> tuple[int, int]:
    """The lock of a partition."""
    return MEMBER + 1 + TOPICS.index(topic), partition


async def owners(connection: Connection) -> dict[Place, str]:
    """Which worker has each partition, as HOST/PID; of workers that read from Kafka nothing."""
    span = {"first": MEMBER + 1, "last": MEMBER + len(TOPICS)}
    rows = await connection.execute(_OWNERS, span)
    return {(TOPICS[topic], p): name.removeprefix(NAME) for topic, p, name in rows}
