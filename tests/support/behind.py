"""An API whose line to the database can be cut and held up, beside one that reaches it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, NamedTuple

from cdp.assembly import assemble
from cdp.instance import Running
from tests.support.instances import Api, Instance, api_on
from tests.support.line import Line, line_to


class Behind(NamedTuple):
    """The API, and the line before its database."""

    api: Api
    line: Line


@asynccontextmanager
async def behind_a_line(
    instance: Instance, running: Running, **settings: Any
) -> AsyncIterator[Behind]:
    """A core of its own on the instance's database."""
    async with line_to(running.database_url) as line:
        ours = replace(instance.settings, **settings)
        reached = Running(line.url, running.redis_url)
        core = await asyncio.to_thread(assemble, ours, reached)
        async with api_on(replace(instance, core=core, settings=ours)) as made:
            yield Behind(replace(made, tries=1), line)
        await core.close()
