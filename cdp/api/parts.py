"""What the API's routes work with; put together in `cdp.main`."""

from __future__ import annotations

from dataclasses import dataclass

from cdp.api.auth import Keys
from cdp.collect.collector import Collector
from cdp.db import Database
from cdp.log.appender import Appender
from cdp.log.vault import Vault
from cdp.people import People


@dataclass(frozen=True, slots=True)
class Parts:
    """Shared by all routes of a process."""

    database: Database
    partitions: int
    vault: Vault
    people: People
    appender: Appender
    collector: Collector
    keys: Keys
