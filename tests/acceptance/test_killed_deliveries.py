"""Workers die while they send: by their keys requests arrive once, and the ledger agrees."""

from __future__ import annotations

import random
from pathlib import Path

from tests.support.born import again
from tests.support.mown import mown
from tests.support.receiver import receiving


async def test_what_a_killed_worker_was_sending_arrives_once_by_its_key(tmp_path: Path) -> None:
    with again(tmp_path) as platform:
        async with receiving() as receiver:
            found = await mown(platform, receiver, people=1_000, kills=4, dice=random.Random(7))
    assert set(found.ledger.values()) == {"sent"}
    assert found.received.keys() == found.ledger.keys()
    assert len(found.ledger) == 1_000
