"""The queue on the local disk: kept through crashes, in order, and never guessed at."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from cdp.errors import Overloaded
from cdp.events import SCHEMA, Event
from cdp.log.quarantine import Refusal
from cdp.log.spill import Spill
from cdp.log.vault import Seal
from cdp.log.writing import Group, fact_of

KEY = bytes(32)
ROOM = 1 << 20


def group(number: int, *, consent: bool = False) -> Group:
    event = Event(SCHEMA, "page", number.to_bytes(16, "big"), 1, str(number), number, number)
    refusal = Refusal(bytes(16), None, b"", number, "no", "event", "/v1/track", b"{}")
    fact = fact_of(event, bytes(16), consent=consent)
    return Group([fact._replace(name="page", refusal=refusal if number % 3 else None)], [refusal])


class Store:
    """Takes groups while it is up, and remembers them in order."""

    def __init__(self) -> None:
        self.up = asyncio.Event()
        self.got: list[Group] = []

    async def store(self, told: Group) -> None:
        await self.up.wait()
        self.got.append(told)


def spill(home: Path, room: int = ROOM) -> Spill:
    return Spill(home, Seal(KEY), room)


async def drained(spilled: Spill, store: Store, home: Path) -> None:
    """Until nothing is left for this process; AssertionError if that does not come."""
    draining = asyncio.create_task(spilled.drain(store.store))
    store.up.set()
    try:
        async with asyncio.timeout(10):
            while list(home.glob("*.spill")):
                await asyncio.sleep(0.01)
    finally:
        draining.cancel()
        await asyncio.gather(draining, return_exceptions=True)


async def test_what_is_put_comes_back_whole_and_in_order(tmp_path: Path) -> None:
    spilled, store = spill(tmp_path), Store()
    told = [group(number, consent=number % 2 == 0) for number in range(20)]
    for each in told:
        await spilled.put(each)
    assert spilled.holds > 0
    await drained(spilled, store, tmp_path)
    assert store.got == told
    assert spilled.holds == 0


async def test_what_grows_while_it_is_drained_is_not_lost(tmp_path: Path) -> None:
    spilled, store = spill(tmp_path), Store()
    store.up.set()
    draining = asyncio.create_task(spilled.drain(store.store))
    told = [group(number) for number in range(300)]
    for number, each in enumerate(told):
        await spilled.put(each)
        if number % 50 == 0:
            while spilled.holds:
                await asyncio.sleep(0.001)
    draining.cancel()
    await asyncio.gather(draining, return_exceptions=True)
    await drained(spilled, store, tmp_path)
    ids = list(dict.fromkeys(each.facts[0].id for each in store.got))
    assert ids == [each.facts[0].id for each in told]


async def test_another_takes_over_what_a_dead_process_left(tmp_path: Path) -> None:
    """A file is locked while its owner lives, and nobody else touches it."""
    await spill(tmp_path).put(group(0))  # its owner lives on in this process
    (living,) = tmp_path.glob("*.spill")
    left = tmp_path / "1-1.spill"
    left.write_bytes(living.read_bytes())
    store = Store()
    store.up.set()
    other = spill(tmp_path)
    draining = asyncio.create_task(other.drain(store.store))
    async with asyncio.timeout(10):
        while left.exists():
            await asyncio.sleep(0.01)
    draining.cancel()
    await asyncio.gather(draining, return_exceptions=True)
    assert store.got == [group(0)]
    assert living.exists()


@pytest.mark.parametrize("damage", ["cut off", "altered"])
async def test_what_cannot_be_read_is_kept_for_a_person(tmp_path: Path, damage: str) -> None:
    maker = spill(tmp_path / "of another")
    await maker.put(group(0))
    await maker.put(group(1))
    (whole,) = (tmp_path / "of another").glob("*.spill")
    data = bytearray(whole.read_bytes())
    half = len(data) // 2
    if damage == "cut off":
        data = data[:-10]
    else:
        data[half + 20] ^= 1
    (tmp_path / "1-1.spill").write_bytes(data)
    store = Store()
    await drained(spill(tmp_path), store, tmp_path)
    assert store.got == [group(0)]
    (kept,) = tmp_path.glob("*.damaged")
    assert kept.read_bytes() == data


async def test_a_full_spill_says_so_and_takes_again_when_there_is_room(tmp_path: Path) -> None:
    spilled, store = spill(tmp_path, room=600), Store()
    put = 0
    with pytest.raises(Overloaded, match="CDP_SPILL_MB"):
        while True:
            await spilled.put(group(put))
            put += 1
    await drained(spilled, store, tmp_path)
    await spilled.put(group(put))
    await drained(spilled, store, tmp_path)
    assert store.got == [group(number) for number in range(put + 1)]


async def test_a_disk_that_takes_nothing_is_an_answer_not_a_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spilled, store = spill(tmp_path), Store()
    await spilled.put(group(0))

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched, pytest.raises(Overloaded, match="local disk"):
        patched.setattr(os, "fdatasync", full)
        await spilled.put(group(1))
    await spilled.put(group(2))
    await drained(spilled, store, tmp_path)
    assert store.got == [group(0), group(2)]


async def test_nothing_stands_there_in_clear(tmp_path: Path) -> None:
    event = Event(SCHEMA, "page", bytes(16), 1, "m", 1, 1, user_id="marker-user")
    await spill(tmp_path).put(Group([fact_of(event, bytes(16), consent=False)]))
    (path,) = tmp_path.glob("*.spill")
    assert path.stat().st_mode & 0o777 == 0o600
    assert b"marker" not in path.read_bytes()
