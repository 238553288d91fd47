"""What segments and computed traits have in common where they are changed and shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import activation.campaigns.versions as campaigns
import activation.store as delivery_store
from activation.campaigns.schema import segments_of
from cdp.api import refs
from cdp.db import Connection
from cdp.errors import Conflict, Invalid
from cdp.times import from_datetime, iso
from profiles import defining
from profiles.defining import Version
from profiles.language import referring
from profiles.language.conditions import purposes
from profiles.language.parsing import parse

_CALLED = {"segment": "segment", "computed": "computed trait"}


async def check(connection: Connection, key: str, where: Mapping[str, Any]) -> None:
    """Invalid if a segment's definition names what there is not, or refers to itself."""
    for purpose in purposes(parse(where)):
        await refs.known_purpose(connection, purpose, "where")
    found = referring.problem(key, where, await defining.wanted(connection))
    if found is not None:
        raise Invalid(f"where: {found}", field="where")


async def unused(connection: Connection, kind: str, key: str) -> None:
    """Conflict, naming them, if segments refer to it or destinations are told of it by name."""
    found = await defining.referring(connection, kind, key)
    users = [f"{_CALLED[what]} {each}" for what, each in found]
    for destination in [each.destination for each in await delivery_store.destinations(connection)]:
        computed = destination.settings.get("computed", {}).values()
        if key in (destination.segments if kind == "segment" else computed):
            users.append(f"destination {destination.key}")
    if kind == "segment":
        users += [
            f"campaign {each.key}"
            for each in await campaigns.live(connection)
            if key in segments_of(each)
        ]
    if users:
        raise Conflict(f"{key} is used by {_listed(users)}; change or delete them first")


def _listed(users: Sequence[str]) -> str:
    """`segment a, segment b and destination c`."""
    *most, last = users
    return f"{', '.join(most)} and {last}" if most else last


def shown(version: Version) -> dict[str, Any]:
    """What the API tells of any version; the definition is told by whose it is."""
    return {
        "version": version.version,
        "name": version.name,
        "purpose": version.purpose,
        "made_at": iso(from_datetime(version.made_at)),
    }
