"""What SDKs ask for at start: settings that keep their traffic here and their metrics silent."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit


def segment_settings(key: str, base_url: str) -> dict[str, Any]:
    """Starts every Segment client.

    Without `sampleRate: 0` the clients send metrics to their vendor; with empty `integrations` the
    web client ignores its configured host and React Native sends nothing. `apiHost` has no scheme.
    """
    parts = urlsplit(base_url)
    return {
        "integrations": {
            "Segment.io": {
                "apiKey": key,
                "apiHost": f"{parts.netloc}/v1",
                "protocol": parts.scheme,
                "unbundledIntegrations": [],
                "addBundledMetadata": True,
                "maybeBundledConfigIds": {},
                "versionSettings": {"version": "4.4.7", "componentTypes": ["browser"]},
            }
        },
        "plan": {"track": {"__default": {"enabled": True, "integrations": {}}}},
        "edgeFunction": {},
        "analyticsNextEnabled": True,
        "middlewareSettings": {},
        "enabledMiddleware": {},
        "metrics": {"sampleRate": 0},
        "legacyVideoPluginsEnabled": False,
        "remotePlugins": [],
    }


def rudderstack_config(key: str, source: int, name: str) -> dict[str, Any]:
    """Starts RudderStack's browser SDK, which needs `config` and `destinations` to be there."""
    return {
        "source": {
            "id": f"source-{source}",
            "name": name,
            "writeKey": key,
            "enabled": True,
            "workspaceId": "cdp",
            "connections": [],
            "config": {
                "statsCollection": {"errors": {"enabled": False}, "metrics": {"enabled": False}}
            },
            "dataplanes": {},
            "destinations": [],
        }
    }
