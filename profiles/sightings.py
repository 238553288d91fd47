"""Where and with what somebody was seen: an event's network and day, and the kind of device."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import Any

from cdp.events import Event, Instant

NEWEST = 16  # days and networks that a fragment keeps
DEVICES = 4  # kinds of devices that it keeps
_DAY = 86_400_000_000
# The first that occurs in a user agent counts: browsers name each other for compatibility's sake.
_BROWSERS = (
    ("edg", "edge"),
    ("opr/", "opera"),
    ("samsungbrowser", "samsung"),
    ("firefox", "firefox"),
    ("fxios", "firefox"),
    ("crios", "chrome"),
    ("chrome", "chrome"),
    ("safari", "safari"),
)
_SYSTEMS = (
    ("iphone", "ios"),
    ("ipad", "ipados"),
    ("android", "android"),
    ("windows", "windows"),
    ("mac os", "macos"),
    ("cros", "chromeos"),
    ("linux", "linux"),
)


def place(event: Event) -> str:
    """The day since 1970 and the network, as `20782 81.2.69.142`; empty where that is not known."""
    address = event.context.get("ip")
    network = network_of(address) if isinstance(address, str) else ""
    return f"{event.at // _DAY} {network}" if network else ""


def device(context: dict[str, Any]) -> str:
    """The family of the browser and the system, as `safari ios`; empty where that is not known."""
    agent = context.get("userAgent")
    return family(agent) if isinstance(agent, str) else ""


@lru_cache(maxsize=50_000)
def network_of(address: str) -> str:
    """What one household or office has of the internet: an IPv4 address, or 64 bits of IPv6."""
    try:
        read = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if not read.is_global:
        return ""
    if read.version == 4:
        return str(read)
    return str(ipaddress.ip_network((read, 64), strict=False).network_address)


@lru_cache(maxsize=10_000)
def family(agent: str) -> str:
    """Two user agents of one device are mostly of one family, whatever their versions are."""
    text = agent.lower()
    found = [
        next((name for mark, name in names if mark in text), "") for names in (_BROWSERS, _SYSTEMS)
    ]
    return " ".join(filter(None, found))


def add_place(places: list[str], seen: str) -> None:
    """Keep the newest; the result does not depend on the order."""
    if seen and seen not in places:
        places.append(seen)
        places.sort()
        del places[:-NEWEST]


def add_device(devices: dict[str, Instant], seen: str, at: Instant) -> None:
    """Keep those seen last; the result does not depend on the order."""
    if seen:
        devices[seen] = max(at, devices.get(seen, at))
        if len(devices) > DEVICES:
            del devices[min(devices, key=lambda each: (devices[each], each))]
