"""Postmark: bounces and spam complaints, with a password in the webhook's URL.

They are told by the metadata that a message was sent with: Postmark gives it an id of its own.
Source: Postmark's developer documentation, "Bounce webhook" and "Spam complaint webhook".
"""

from __future__ import annotations

import base64
import hmac

from activation.mail.providers.protocol import (
    NotTheirs,
    Posted,
    delivery,
    known,
    read,
    status,
    text,
)
from activation.mail.reports import Report, report_of

_HARD = {"HardBounce", "BadEmailAddress"}
_FAILED = {*_HARD, "SoftBounce", "Blocked", "SpamNotification", "ManuallyDeactivated", "DnsError"}


async def postmark(posted: Posted) -> list[Report]:
    """One event."""
    if not hmac.compare_digest(_password(posted).encode(), posted.secret.encode()):
        raise NotTheirs
    said = read(posted.body)
    found = delivery(text(said, "Metadata", "delivery"))
    kind, why = text(said, "RecordType"), text(said, "Type")
    if found is None:
        return []
    if kind == "SpamComplaint":
        return [report_of("complained", found, "")]
    if kind != "Bounce" or why not in _FAILED:
        return []
    told = report_of("bounced", found, status(text(said, "Details")), hard=why in _HARD)
    return known([told])


def _password(posted: Posted) -> str:
    """Of HTTP's basic authentication, whatever the user is called."""
    scheme, _, coded = posted.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        raise NotTheirs
    try:
        return base64.b64decode(coded, validate=True).decode().partition(":")[2]
    except ValueError:
        raise NotTheirs from None
