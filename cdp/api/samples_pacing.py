"""What pacing looks like in the API's description."""

from __future__ import annotations

from typing import Any

PACING: dict[str, Any] = {
    "caps": [
        {
            "limit": 3,
            "window": "7d",
            "channel": "email",
            "purpose": "marketing_email",
            "over": "drop",
        }
    ],
    "quiet_hours": [{"from": "21:00", "to": "08:00", "channels": ["push"]}],
    "patience": "3d",
    "timezone": "Europe/Berlin",
}
