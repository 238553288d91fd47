"""What SDKs put beside a call: contexts of web, mobile and server libraries, values made up.

A person keeps their device: what it is, and its ids, follow from the person alone.
"""

from __future__ import annotations

import functools
import random
from typing import Any

_AGENTS = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/130.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.5 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
    "Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/130.0.0.0 Mobile Safari/537.36",
]
_PLACES = [
    ("fr-CA", "America/Montreal"),
    ("en-US", "America/New_York"),
    ("en-CA", "America/Vancouver"),
    ("en-CA", "America/Toronto"),
    ("es-US", "America/Denver"),
    ("en-US", "America/Chicago"),
    ("en-US", "America/Los_Angeles"),
]
_PATHS = ["/", "/new", "/sale", "/men", "/women", "/kids", "/basket", "/checkout", "/account"]
_SCREENS = [(1920, 1080), (1440, 900), (2560, 1440), (390, 844), (412, 915)]
_PHONES = [
    ("Apple", "iPhone15,2", "ios", "iOS", "17.5.1"),
    ("Google", "Pixel 8", "android", "Android", "14"),
    ("samsung", "SM-S911B", "android", "Android", "14"),
]


@functools.cache
def _of(person: int) -> dict[str, Any]:
    """One of the shapes, as often as they are met."""
    rng = random.Random(person)
    dice = rng.random()
    if dice < 0.45:
        return _segment_web(rng)
    if dice < 0.65:
        return _rudder_web(rng)
    if dice < 0.85:
        return _mobile(rng)
    library = {"name": rng.choice(["analytics-python", "@segment/analytics-node"])}
    return {"library": library | {"version": "2.4.0"}}


def context(rng: random.Random, person: int) -> dict[str, Any]:
    """What this person's device says beside a call."""
    own = _of(person)
    return own | {"page": own["page"] | _page(rng)} if "page" in own else own


def _page(rng: random.Random) -> dict[str, Any]:
    path = rng.choice(_PATHS)
    return {
        "path": path,
        "referrer": rng.choice(["", "https://www.google.com/", "https://shop.example/"]),
        "search": rng.choice(["", "", "?utm_source=newsletter&utm_medium=email"]),
        "title": "Shop",
        "url": f"https://shop.example{path}",
    }


def _segment_web(rng: random.Random) -> dict[str, Any]:
    locale, zone = rng.choice(_PLACES)
    return {
        "page": _page(rng),
        "userAgent": rng.choice(_AGENTS),
        "userAgentData": {
            "brands": [{"brand": "Chromium", "version": "130"}],
            "mobile": False,
            "platform": rng.choice(["Windows", "macOS", "Linux"]),
        },
        "locale": locale,
        "library": {"name": "analytics.js", "version": "npm:next-1.84.3"},
        "timezone": zone,
        "campaign": {"source": "newsletter", "medium": "email"} if rng.random() < 0.2 else {},
    }


def _rudder_web(rng: random.Random) -> dict[str, Any]:
    locale, zone = rng.choice(_PLACES)
    width, height = rng.choice(_SCREENS)
    return {
        "traits": {},
        "sessionId": 1_700_000_000_000 + rng.randrange(10**9),
        "app": {
            "name": "RudderLabs JavaScript SDK",
            "namespace": "com.rudderlabs.javascript",
            "version": "3.34.1",
            "installType": "npm",
        },
        "library": {"name": "RudderLabs JavaScript SDK", "version": "3.34.1"},
        "userAgent": rng.choice(_AGENTS),
        "os": {"name": "", "version": ""},
        "locale": locale,
        "screen": {
            "width": width,
            "height": height,
            "density": rng.choice([1, 2, 3]),
            "innerWidth": width,
            "innerHeight": height - 100,
        },
        "campaign": {},
        "page": _page(rng) | {"initial_referrer": "$direct", "tab_url": "https://shop.example/"},
        "timezone": zone,
    }


def _mobile(rng: random.Random) -> dict[str, Any]:
    maker, model, kind, system, version = rng.choice(_PHONES)
    locale, zone = rng.choice(_PLACES)
    width, height = rng.choice(_SCREENS)
    return {
        "app": {
            "name": "Shop",
            "version": "5.3.0",
            "build": "530",
            "namespace": "com.example.shop",
        },
        "device": {
            "id": f"{rng.getrandbits(128):032x}",
            "manufacturer": maker,
            "model": model,
            "name": model,
            "type": kind,
            "adTrackingEnabled": False,
        },
        "os": {"name": system, "version": version},
        "screen": {"width": width, "height": height, "density": 3},
        "network": {
            "wifi": rng.random() < 0.7,
            "cellular": True,
            "bluetooth": False,
            "carrier": "",
        },
        "locale": locale,
        "timezone": zone,
        "library": {"name": f"analytics-{kind}", "version": "1.9.0"},
        "instanceId": f"{rng.getrandbits(128):032x}",
    }
