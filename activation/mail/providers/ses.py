"""Amazon SES by way of SNS: notifications that are signed with a certificate of Amazon's.

The original headers have to be in them: SES gives each message an id of its own. Sources: Amazon
SNS Developer Guide, "Verifying the signatures of Amazon SNS messages"; Amazon SES Developer Guide,
"Amazon SNS notification contents".
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from activation.mail.providers.protocol import (
    NotTheirs,
    Posted,
    inner,
    known,
    objects,
    ours,
    read,
    status,
    text,
)
from activation.mail.reports import Report, report_of

_HOST = re.compile(r"sns\.[a-z0-9-]{3,40}\.amazonaws\.com(\.cn)?")
_SIGNED = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_SIGNED_OF_TOPICS = (
    "Message",
    "MessageId",
    "SubscribeURL",
    "Timestamp",
    "Token",
    "TopicArn",
    "Type",
)
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "1": hashes.SHA1(),  # noqa: S303 - what SNS signs with unless a topic says 2
    "2": hashes.SHA256(),
}
_GONE = {"NoEmail", "Suppressed", "OnAccountSuppressionList", "General"}


async def ses(posted: Posted) -> list[Report]:
    """A notification; that a topic is to be subscribed to is confirmed."""
    said = read(posted.body)
    if not isinstance(said, dict) or text(said, "TopicArn") != posted.secret:
        raise NotTheirs
    await _check(said, posted)
    if text(said, "Type") == "SubscriptionConfirmation":
        await posted.fetch(_of_amazon(text(said, "SubscribeURL")))
        return []
    if text(said, "Type") != "Notification":
        return []
    return _reports(read(text(said, "Message").encode()))


async def _check(said: dict[str, Any], posted: Posted) -> None:
    names = _SIGNED if text(said, "Type") == "Notification" else _SIGNED_OF_TOPICS
    signed = "".join(f"{name}\n{text(said, name)}\n" for name in names if name in said)
    kind = _HASHES.get(text(said, "SignatureVersion"))
    pem = await posted.fetch(_of_amazon(text(said, "SigningCertURL")))
    try:
        key = x509.load_pem_x509_certificate(pem).public_key()
        signature = base64.b64decode(text(said, "Signature"), validate=True)
        if kind is None or not isinstance(key, rsa.RSAPublicKey):
            raise NotTheirs
        key.verify(signature, signed.encode(), padding.PKCS1v15(), kind)
    except (ValueError, binascii.Error, InvalidSignature):
        raise NotTheirs from None


def _of_amazon(url: str) -> str:
    """The URL, if it leads to SNS and nowhere else."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise NotTheirs from None
    if (
        parts.scheme != "https"
        or _HOST.fullmatch(parts.netloc) is None
        or port is not None
        or re.search(r"[^!-~]", url)
    ):
        raise NotTheirs
    return url


def _reports(said: Any) -> list[Report]:
    kind = text(said, "notificationType") or text(said, "eventType")
    headers = objects(inner(said, "mail", "headers"))
    named = [text(each, "value") for each in headers if text(each, "name").lower() == "message-id"]
    found = ours(named[0]) if named else None
    if found is None:
        return []
    if kind == "Complaint":
        return [report_of("complained", found, "")]
    if kind != "Bounce" or text(said, "bounce", "bounceType") == "Transient":
        return []
    hard = (
        text(said, "bounce", "bounceType") == "Permanent"
        and text(said, "bounce", "bounceSubType") in _GONE
    )
    told = objects(inner(said, "bounce", "bouncedRecipients"))
    spelled = next((status(text(each, "status")) for each in told), "")
    return known([report_of("bounced", found, spelled, hard=hard)])
