"""E-mail providers' webhooks, in the shape that each documents, signed as each does."""

from __future__ import annotations

import base64
import datetime
import hashlib
import hmac
import json
import time
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

TOPIC = "arn:aws:sns:eu-central-1:123456789012:bounces"
CERTIFICATE = "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-1.pem"
SUBSCRIBE = "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&Token=t1"
_NOTIFIED = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_CONFIRMED = (
    "Message",
    "MessageId",
    "SubscribeURL",
    "Timestamp",
    "Token",
    "TopicArn",
    "Type",
)


class Post(NamedTuple):
    """What is posted."""

    headers: dict[str, str]
    body: bytes


class Amazon:
    """SNS with a certificate of its own."""

    secret = TOPIC

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
        now = datetime.datetime.now(datetime.UTC)
        made = x509.CertificateBuilder(name, name, self._key.public_key(), 1)
        made = made.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
        self.pem = made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def posted(self, message_id: str, what: str = "bounce", status: str = "5.1.1") -> Post:
        mail = {"messageId": "0102-ses", "headers": [{"name": "Message-ID", "value": message_id}]}
        told: dict[str, Any] = {"notificationType": "Complaint", "mail": mail, "complaint": {}}
        if what == "bounce":
            who = {"emailAddress": "ada@example.com", "action": "failed", "status": status}
            bounce = {"bounceType": "Permanent", "bounceSubType": "General"}
            told |= {"notificationType": "Bounce", "bounce": bounce | {"bouncedRecipients": [who]}}
        return self.signed({"Type": "Notification", "Message": json.dumps(told)}, _NOTIFIED)

    def confirmation(self, url: str = SUBSCRIBE) -> Post:
        said = {"Type": "SubscriptionConfirmation", "Message": "You have chosen …", "Token": "t1"}
        return self.signed(said | {"SubscribeURL": url}, _CONFIRMED)

    def signed(
        self, said: dict[str, str], names: tuple[str, ...], certificate: str = CERTIFICATE
    ) -> Post:
        said = {"MessageId": "m1", "TopicArn": TOPIC, "Timestamp": "2026-01-15T09:30:00Z"} | said
        text = "".join(f"{name}\n{said[name]}\n" for name in names if name in said)
        made = self._key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
        said |= {"SignatureVersion": "2", "Signature": base64.b64encode(made).decode()}
        return Post({}, json.dumps(said | {"SigningCertURL": certificate}).encode())


class SendGrid:
    """Lists of events."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        der = self._key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self.secret = base64.b64encode(der).decode()

    def posted(self, message_id: str, what: str = "bounce", status: str = "5.1.1") -> Post:
        event: dict[str, Any] = {"email": "ada@example.com", "smtp-id": message_id}
        event |= {"event": "spamreport"}
        if what == "bounce":
            event |= {"event": "bounce", "type": "bounce", "status": status, "reason": "550 no"}
        body = json.dumps([{"event": "processed", "smtp-id": message_id}, event]).encode()
        at = str(int(time.time()))
        made = self._key.sign(at.encode() + body, ec.ECDSA(hashes.SHA256()))
        prefix = "X-Twilio-Email-Event-Webhook"
        headers = {f"{prefix}-Signature": base64.b64encode(made).decode()}
        return Post(headers | {f"{prefix}-Timestamp": at}, body)


class Postmark:
    """One event each, with a password."""

    secret = "correct horse"

    def posted(self, message_id: str, what: str = "bounce", status: str = "5.1.1") -> Post:
        delivery = message_id.strip("<>").partition("@")[0]
        said: dict[str, Any] = {"MessageID": "pm-1", "Metadata": {"delivery": delivery}}
        if what == "bounce":
            kind = "HardBounce" if status == "5.1.1" else "SoftBounce"
            said |= {"RecordType": "Bounce", "Type": kind, "Details": f"smtp;550 {status} no"}
        else:
            said |= {"RecordType": "SpamComplaint", "Type": "SpamComplaint"}
        coded = base64.b64encode(f"cdp:{self.secret}".encode()).decode()
        return Post({"Authorization": f"Basic {coded}"}, json.dumps(said).encode())


class Mailgun:
    """One event each, with a signature in the body."""

    secret = "key-0123456789"

    def posted(
        self, message_id: str, what: str = "bounce", status: str = "5.1.1", at: int | None = None
    ) -> Post:
        event: dict[str, Any] = {"event": "complained", "recipient": "ada@example.com"}
        event |= {"message": {"headers": {"message-id": message_id.strip("<>")}}}
        if what == "bounce":
            told = {"code": 550, "enhanced-code": status, "message": "no", "bounce-type": "hard"}
            event |= {"event": "failed", "severity": "permanent", "delivery-status": told}
        stamp, token = str(at or int(time.time())), "a" * 50
        made = hmac.new(self.secret.encode(), f"{stamp}{token}".encode(), hashlib.sha256)
        signature = {"timestamp": stamp, "token": token, "signature": made.hexdigest()}
        return Post({}, json.dumps({"signature": signature, "event-data": event}).encode())
