"""Whose law holds where nothing tells it is noted: all of an instance goes by the same."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cdp import home, main
from cdp.assembly import assemble, prepare
from cdp.db import named
from cdp.errors import ConfigurationError
from cdp.instance import Running
from cdp.replay import until_quiet
from tests.conftest import Api
from tests.support.driver import Driver

_BUILDS = named("select reason from builds where state <> 'done'")


async def members(api: Api) -> int:
    found = await api.get("/segments/viewers/members")
    return len(found["members"])  # type: ignore[arg-type]


async def one_views(api: Api) -> None:
    await api.put("/segments/viewers", {"name": "Viewers", "where": {"event": "Viewed"}})
    await api.send("/v1/track", {"userId": "ada", "event": "Viewed"})
    await api.settle()
    assert await members(api) == 1


async def test_a_command_without_the_setting_goes_by_what_is_noted(
    api: Api, running: Running
) -> None:
    """Else it would take everybody for somebody under the strictest law, and differ."""
    await one_views(api)
    unset = replace(api.instance.settings, jurisdiction="")
    async with main.replaying(unset, running) as replay:
        assert all(each.equal for each in await until_quiet(replay))


async def test_another_one_is_noted_at_the_start_and_everybody_stands_anew(
    api: Api, running: Running
) -> None:
    await one_views(api)
    for said, place, reason, inside in (
        ("strictest", "", ["jurisdiction strictest"], 0),
        ("", "", [], 0),
        ("US-CA", "US-CA", ["jurisdiction US-CA"], 1),
        ("", "US-CA", [], 1),
    ):
        settings = replace(api.instance.settings, jurisdiction=said)
        core = assemble(settings, running)
        assert core.people.home == place
        await prepare(settings, core)
        builds = await core.database.rows(_BUILDS)
        assert [row[0] for row in builds] == reason
        async with main.pipeline(core) as work:
            await Driver(core, work).settle()
        await core.close()
        assert await members(api) == inside


def test_what_is_not_in_the_table_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="say DE, US-CA or strictest"):
        home.of("Mars", "CA")
    assert [home.of(said, "CA") for said in ("", "DE", "Strictest")] == ["CA", "DE", ""]
    assert home.of("", None) == ""
