"""What the API's routes work with; put together in `cdp.application`."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from fastapi import Request

from cdp.api import acting
from cdp.api.auth import Keys
from cdp.collect.collector import Collector
from cdp.db import Connection, Database
from cdp.evidence.receipts import Controller
from cdp.log.appender import Appender
from cdp.log.vault import Vault
from cdp.people import People
from cdp.personalizing.held import Catalogue
from cdp.personalizing.questions import Questions


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
    controller: Controller
    catalogue: Catalogue
    questions: Questions
    private: bool  # whether private networks are fine for what is fetched

    def changing(self, request: Request) -> AbstractAsyncContextManager[Connection]:
        """A transaction for what changes something: its entry in the audit log goes with it."""
        return acting.changing(self.database, self.keys.audit, request)
