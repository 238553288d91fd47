"""SendGrid: lists of events, signed with a key whose public half its settings show.

Source: SendGrid's documentation, "Event webhook reference" and "Event webhook security features".
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

from activation.mail.providers.protocol import (
    NotTheirs,
    Posted,
    known,
    objects,
    ours,
    read,
    status,
    text,
)
from activation.mail.reports import Report, report_of

_SIGNATURE = "x-twilio-email-event-webhook-signature"
_TIMESTAMP = "x-twilio-email-event-webhook-timestamp"


def key(spelled: str) -> ec.EllipticCurvePublicKey:
    """The key as SendGrid shows it, in base 64; ValueError if it is none."""
    try:
        made = load_der_public_key(base64.b64decode(spelled, validate=True))
    except (binascii.Error, UnsupportedAlgorithm) as error:
        raise ValueError(str(error)) from None
    if not isinstance(made, ec.EllipticCurvePublicKey):
        raise ValueError("no key of an elliptic curve")
    return made


async def sendgrid(posted: Posted) -> list[Report]:
    """Many events in one request."""
    signed = posted.headers.get(_TIMESTAMP, "").encode() + posted.body
    try:
        signature = base64.b64decode(posted.headers.get(_SIGNATURE, ""), validate=True)
        key(posted.secret).verify(signature, signed, ec.ECDSA(hashes.SHA256()))
    except (ValueError, InvalidSignature):
        raise NotTheirs from None
    return known(map(_report, objects(read(posted.body))))


def _report(event: Mapping[str, Any]) -> Report | None:
    found, kind = ours(text(event, "smtp-id")), text(event, "event")
    if found is None:
        return None
    if kind == "spamreport":
        return report_of("complained", found, "")
    reason = text(event, "reason")
    if kind == "dropped" and reason == "Bounced Address":
        return report_of("bounced", found, "", hard=True)
    if kind != "bounce":
        return None
    spelled = status(text(event, "status")) or status(reason)
    return report_of("bounced", found, spelled, hard=text(event, "type") == "bounce")
