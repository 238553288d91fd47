"""What templates look like in the API's description."""

from __future__ import annotations

from typing import Any

from cdp.api.samples import AT, ID
from cdp.api.shapes import Free, Names, Perhaps

_SAID: dict[str, Any] = {
    "name": "Cart",
    "channel": "email",
    "texts": Names(
        {"en": Names({"subject": Free("Still thinking, {{ person.name | default('friend') }}?")})}
    ),
    "language": Perhaps("en"),
    "values": Perhaps(Free({"shop": "Example"})),
}
TEMPLATE: dict[str, Any] = {"key": "cart", "version": 1} | _SAID
TEMPLATES: dict[str, Any] = {"templates": [TEMPLATE]}
VERSIONS: dict[str, Any] = {"versions": [{"version": 1, "made_at": AT, "template": _SAID}]}
PREVIEW: dict[str, Any] = {
    "key": "cart",
    "version": 1,
    "message": Names({"subject": Free("Still thinking, Ada?")}),
}
SENT: dict[str, Any] = {"delivery": ID, "destination": "mail"}
