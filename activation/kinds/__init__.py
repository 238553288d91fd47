"""Kinds of destinations: each a module of its own, listed here."""

from __future__ import annotations

from activation.kinds.protocol import DestinationKind
from activation.kinds.webhook import WEBHOOK
from activation.kinds.webpush import WEBPUSH

KINDS: dict[str, DestinationKind] = {"webhook": WEBHOOK, "webpush": WEBPUSH}
