"""The view of an assignment that Faust's tables and routers ask for; we use neither."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faust.types import TP
from faust.types.assignor import PartitionAssignorT

if TYPE_CHECKING:
    from cdp.stream.drain import ChunkDrain


class Assignor(PartitionAssignorT):  # type: ignore[misc]
    """What a worker has is active; there are no tables, hence no standbys or changelogs."""

    def __init__(self, consumer: ChunkDrain) -> None:
        self._consumer = consumer

    def group_for_topic(self, topic: str) -> int:
        return 0

    def assigned_standbys(self) -> set[TP]:
        return set()

    def assigned_actives(self) -> set[TP]:
        return self._consumer.assignment()

    def is_active(self, tp: TP) -> bool:
        return tp in self._consumer.assignment()

    def is_standby(self, tp: TP) -> bool:
        return False

    def key_store(self, topic: str, key: bytes) -> str:
        return ""

    def external_key_store(self, topic: str, key: bytes) -> str:
        return ""

    def table_metadata(self, topic: str) -> dict[str, str]:
        return {}

    def tables_metadata(self) -> dict[str, str]:
        return {}

    def external_topics_metadata(self) -> dict[str, str]:
        return {}
