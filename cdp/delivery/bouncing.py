"""An e-mail that came back is a fact of whom it was to; a lasting one suppresses the address."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from activation.mail.reports import Report, report_of
from activation.mail.writing import address_of
from activation.model import Delivery
from cdp import facts
from cdp.delivery.finding import Finding
from cdp.events import Event
from cdp.log.vault import Vault
from cdp.suppression import store as suppressions

NAMES = {"bounced": "Email Bounced", "complained": "Email Marked as Spam"}


def told(vault: Vault, report: Report, delivery: Delivery, who: Mapping[str, Any]) -> Event:
    """The fact: one for each delivery and kind, however often it is reported."""
    about = {
        "delivery": str(uuid.UUID(bytes=delivery.id)),
        "campaign": delivery.segment,
        "destination": delivery.destination,
        "status": report.status,
    }
    return facts.fact(
        vault,
        "track",
        about,
        message_id=named(report),
        name=NAMES[report.kind],
        **who,
    )


def named(report: Report) -> str:
    """What tells the fact from others."""
    return f"email {report.kind} {report.delivery.hex()}"


@dataclass(frozen=True, slots=True)
class Unreachable:
    """Notes that a mail server knew no such address while it was handed an e-mail."""

    finding: Finding

    async def __call__(self, view: Mapping[str, Any], delivery: Delivery, status: str) -> None:
        """Nothing, unless the status says that this is for good."""
        report, address = report_of("bounced", delivery.id, status), address_of(view)
        if not report.lasting or not address:
            return
        vault = self.finding.keyring.vault
        async with self.finding.database.transaction() as connection:
            await self.finding.note(
                connection, view, named(report), lambda who: told(vault, report, delivery, who)
            )
            subject = vault.subject("email", address)
            await suppressions.suppress(connection, [subject], suppressions.BOUNCED)
