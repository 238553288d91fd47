"""Whose law holds where nothing tells it: noted with the instance, so that all of it goes by one.

What people allow follows from it, and with that segments and everything made of them. A command
typed beside a running platform knows nothing of the platform's environment, and must not differ.
"""

from __future__ import annotations

from cdp.db import Connection, named
from cdp.errors import ConfigurationError
from consent import jurisdictions

KEY = "jurisdiction"  # in `meta`
STRICTEST = "strictest"  # said to go back to what holds where nobody ever said anything

_NOTED = named("select value from meta where key = :key for update")
_NOTE = named(
    """
    insert into meta (key, value) values (:key, :value)
    on conflict (key) do update set value = excluded.value
    """
)


def of(said: str, noted: str | None) -> str:
    """The jurisdiction to go by: what the settings say, else what is noted; empty: the strictest.

    ConfigurationError if the table of laws does not have what the settings say.
    """
    if not said:
        return noted or ""
    if said.lower() == STRICTEST:
        return ""
    if jurisdictions.regime(said) is None:
        told = f"say DE, US-CA or {STRICTEST}"
        raise ConfigurationError(f"CDP_JURISDICTION={said!r} is not in the table: {told}")
    return said


async def note(connection: Connection, home: str) -> bool:
    """Note what is gone by from here on; True if it was another: then everybody stands anew."""
    noted = (await connection.execute(_NOTED, {"key": KEY})).scalar_one_or_none()
    if noted is not None and bytes(noted).decode() == home:
        return False
    await connection.execute(_NOTE, {"key": KEY, "value": home.encode()})
    return noted is not None
