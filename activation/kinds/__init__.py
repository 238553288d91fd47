"""Kinds of destinations: each a module of its own, listed here."""

from __future__ import annotations

from activation.kinds.apns import APNS
from activation.kinds.email import EMAIL
from activation.kinds.fcm import FCM
from activation.kinds.files import FILE, S3
from activation.kinds.protocol import DestinationKind
from activation.kinds.segment import SEGMENT
from activation.kinds.sql import SQL
from activation.kinds.webhook import WEBHOOK
from activation.kinds.webpush import WEBPUSH

KINDS: dict[str, DestinationKind] = {
    "webhook": WEBHOOK,
    "webpush": WEBPUSH,
    "segment": SEGMENT,
    "file": FILE,
    "s3": S3,
    "sql": SQL,
    "fcm": FCM,
    "apns": APNS,
    "email": EMAIL,
}
