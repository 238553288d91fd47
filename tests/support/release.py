"""Keeps what a released version leaves behind: a backup of an instance with a past, and its schema.

`python -m tests.support.release` writes it for the schema of today; run it once at a release, and
never again for the same one. `tests/integration/test_upgrade.py` brings each of them up to date.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path

from cdp import schema
from tests.support.backups import back_up, digests, live
from tests.support.instances import api_on, instance_on
from tests.support.listing import listing
from tests.support.receiver import receiving
from tests.support.stores import started

RELEASES = Path(__file__).parent.parent / "data" / "releases"


async def _keep(home: Path, into: Path) -> None:
    with started(home) as stores:
        running = stores.fresh()
        async with (
            receiving() as hook,
            instance_on(running, home) as instance,
            api_on(instance) as api,
        ):
            await live(api, hook, events=200)
            back_up(instance, running, into / "backup")
            (into / "digests.json").write_text(json.dumps(await digests(instance), indent=1))
        (into / "schema.txt").write_text("\n".join(listing(running.database_url)) + "\n")
    (into / "backup" / "lock").unlink()


if __name__ == "__main__":
    target = RELEASES / schema.head()
    target.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as temporary:
        asyncio.run(_keep(Path(temporary), target))
    print(f"kept in {target}")
