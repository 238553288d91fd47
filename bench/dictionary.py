"""Trains the compression dictionary from an instance's log: `python -m bench.dictionary FILE`.

Run it over an instance that real SDKs have written to, with made-up people. What it gives is
committed as a new version beside the old one, never in its place: old payloads need theirs.
"""

from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path

import msgspec
import zstandard

from cdp import assembly, instance
from cdp.db import named
from cdp.events import encode
from cdp.log.store import Record
from cdp.people import view
from cdp.settings import Settings
from consent.purposes import DEFAULT_PURPOSES
from consent.standing import Ground, standing
from profiles import fragment
from profiles.model import join

SIZE = 16 * 1024  # bytes; larger ones compressed no better, and slower
_EVENTS = named('select "offset", subject, id, payload from events order by random() limit 20000')
_FRAGMENTS = named("select subject, data from fragments order by random() limit 5000")


async def samples(settings: Settings, running: instance.Running) -> list[bytes]:
    """What is compressed: events, fragments and views, in clear."""
    core = assembly.assemble(settings, running)
    async with core.database.transaction() as connection:
        records = [Record(*row) for row in await connection.execute(_EVENTS)]
        events = [
            encode(each.event) for each in await core.keyring.open_events(connection, records)
        ]
        rows = (await connection.execute(_FRAGMENTS)).all()
        boxes = await core.keyring.load(connection, [row[0] for row in rows])
        plain = [boxes[s].unpack(data, fragment.sealed_as(s)) for s, data in rows if s in boxes]
    await core.close()
    stands = standing(Ground(DEFAULT_PURPOSES, "CA", 0), [])
    profiles = [join({b"": fragment.decode(each)}, lambda namespace, value: True) for each in plain]
    views = [view(b"\0" * 16, each, [], stands).content for each in profiles]
    return events + plain + [msgspec.msgpack.encode(each) for each in views]


def train(found: list[bytes], path: Path, number: int) -> None:
    """Train on nine tenths, tell what it does for the rest, and write it."""
    random.Random(1).shuffle(found)
    cut = len(found) * 9 // 10
    made = zstandard.train_dictionary(SIZE, found[:cut], dict_id=number, level=1)
    plain = zstandard.ZstdCompressor(level=1, write_checksum=False)
    trained = zstandard.ZstdCompressor(level=1, write_checksum=False, dict_data=made)
    sizes = [(len(s), len(plain.compress(s)), len(trained.compress(s))) for s in found[cut:]]
    raw, without, with_it = (sum(column) for column in zip(*sizes, strict=True))
    print(f"{len(found)} samples; of the rest {raw} bytes: {without} plain, {with_it} trained")
    path.write_bytes(made.as_bytes())


if __name__ == "__main__":
    configuration = Settings.from_env()
    with instance.services(configuration) as stores:
        train(asyncio.run(samples(configuration, stores)), Path(sys.argv[1]), int(sys.argv[2]))
