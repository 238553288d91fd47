"""The story that every SDK is told, and what the platform must know when it has been told.

A shopper looks at a page and a product, says who she is, orders, belongs to a company, is said to
be one with a lead that another system knows and to be called something else from now on, and reads
an article. Then a second shopper takes over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.support.platform import Platform

_SECONDS = 60.0
_SECOND_SHOPPER = 2  # messages


@dataclass(frozen=True)
class Teller:
    """What an SDK can say, and what it makes of the story."""

    messages: int = 10
    aliases: bool = True  # whether it has an alias call at all
    renames: bool = True  # whether its alias call can give the person at hand a new id
    stamps_all: bool = False  # consent on every message, not on the first identify call alone
    keeps_device: bool = False  # the second shopper comes with the first one's anonymous id


class Story:
    """Two shoppers on a platform that may know others."""

    def __init__(self, platform: Platform, who: str, teller: Teller) -> None:
        self._platform = platform
        self._teller = teller
        self.who, self.ada, self.bob = who, f"{who}-ada", f"{who}-bob"
        if teller.aliases:
            lead = {"userId": f"{self.ada}-lead", "event": "Lead Created"}
            assert platform.send("/v1/track", lead).json() == {"success": True}
        platform.wait_quiet()
        self._before = {name.removeprefix("cdp_"): n for name, n in platform.gauges().items()}

    def wait_until_heard(self, *, first_shopper: bool = False) -> None:
        """Until the log has as many events as the SDK was told, and all of them are handled."""
        told = self._teller.messages - (_SECOND_SHOPPER if first_shopper else 0)
        enough = self._before["events"] + told
        self._platform.wait_for(
            lambda: self._platform.gauges()["cdp_events"] >= enough, _SECONDS, f"{enough} events"
        )
        self._platform.wait_quiet()

    def check(self) -> None:
        """Every message exactly once, each on the right profile."""
        self.wait_until_heard()
        self._check_counts()
        ada = self._profile(f"user_id:{self.ada}")
        bob = self._profile(f"user_id:{self.bob}")
        self._check_ada(ada)
        self._check_bob(bob)
        assert ada["profile_id"] != bob["profile_id"]

    def _profile(self, ref: str) -> dict[str, Any]:
        profile = self._platform.profile(ref)
        assert profile, f"nobody has been seen as {ref}"
        return profile

    def _check_counts(self) -> None:
        after = self._platform.status()
        grown = {name: after[name] - self._before[name] for name in ("events", "profiles")}
        people = 1 if self._teller.aliases else 2  # the lead was there before
        assert grown == {"events": self._teller.messages, "profiles": people}
        for name in ("parked", "quarantined", "uncollected"):
            assert after[name] == self._before[name], name

    def _check_ada(self, ada: dict[str, Any]) -> None:
        email, user_ids = f"{self.ada}@example.com", {self.ada}
        events = {"page": 1, "Product Viewed": 1, "Order Completed": 1, "Article Read": 1}
        if self._teller.aliases:
            user_ids.add(f"{self.ada}-lead")
            events["Lead Created"] = 1
            if self._teller.renames:
                user_ids.add(f"{self.ada}-countess")
        devices = ada["identifiers"].pop("anonymous_id")
        assert len(devices) == 1
        found = {namespace: set(values) for namespace, values in ada["identifiers"].items()}
        assert found == {"user_id": user_ids, "email": {email}}
        assert ada["events"] == events
        assert ada["traits"] == {"email": email, "plan": "pro"}
        assert ada["groups"] == {f"{self.who}-acme": {"name": "Acme"}}
        assert _consent(ada) == ("granted", "denied")
        refs = {f"user_id:{each}" for each in user_ids}
        for ref in refs | {f"email:{email}", f"anonymous_id:{devices[0]}"}:
            assert self._profile(ref)["profile_id"] == ada["profile_id"], ref

    def _check_bob(self, bob: dict[str, Any]) -> None:
        email = f"{self.bob}@example.com"
        devices = bob["identifiers"].pop("anonymous_id", [])
        assert len(devices) == (0 if self._teller.keeps_device else 1)
        assert bob["identifiers"] == {"user_id": [self.bob], "email": [email]}
        assert bob["events"] == {"Product Viewed": 1}
        assert bob["traits"] == {"email": email}
        assert bob["groups"] == {}
        stamped = ("granted", "denied")
        assert _consent(bob) == (stamped if self._teller.stamps_all else stamped[::-1])
        assert self._profile(f"email:{email}")["profile_id"] == bob["profile_id"]


def _consent(profile: dict[str, Any]) -> tuple[str, str]:
    """What the categories Advertising and Functional came to; by default a no and a yes."""
    return profile["consent"]["sale_or_share"], profile["consent"]["personalization"]
