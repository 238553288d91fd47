"""Mailgun: `failed` and `complained` events, whose signature is in the body.

Source: Mailgun's user manual, "Webhooks" and "Securing webhooks".
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from activation.mail.providers.protocol import (
    NotTheirs,
    Posted,
    inner,
    known,
    ours,
    read,
    status,
    text,
)
from activation.mail.reports import Report, report_of

_OLDEST_SECONDS = 86_400  # they try for eight hours


async def mailgun(posted: Posted) -> list[Report]:
    """One event."""
    said = read(posted.body)
    _check(said, posted)
    return known([_report(inner(said, "event-data"))])


def _check(said: Any, posted: Posted) -> None:
    at, token, given = (text(said, "signature", n) for n in ("timestamp", "token", "signature"))
    made = hmac.new(posted.secret.encode(), f"{at}{token}".encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(made.encode(), given.encode()):
        raise NotTheirs
    if not at.isdecimal() or abs(posted.seconds - int(at)) > _OLDEST_SECONDS:
        raise NotTheirs


def _report(event: Any) -> Report | None:
    found = ours(text(event, "message", "headers", "message-id"))
    if found is None:
        return None
    if text(event, "event") == "complained":
        return report_of("complained", found, "")
    if text(event, "event") != "failed" or text(event, "severity") != "permanent":
        return None
    told = inner(event, "delivery-status")
    spelled = status(text(told, "enhanced-code")) or status(text(told, "message"))
    hard = text(told, "bounce-type") == "hard" or text(event, "reason") == "suppress-bounce"
    return report_of("bounced", found, spelled, hard=hard)
