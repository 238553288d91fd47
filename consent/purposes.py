"""What data is used for: purposes, what signals them, and how one stands on each by law."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from consent.jurisdictions import Default, State, by_law
from consent.model import COLLECTION
from consent.signals import gpp
from consent.stamps import GPC, signal_of

DOT = "."  # between a purpose and one of its channels
DAY = 86_400_000_000  # microseconds
STORED_FOR = (COLLECTION, "necessary")  # each event for one of these, by its source


class Purpose(NamedTuple):
    """Something data is used for.

    `by_default` is how everybody stands without a decision; None leaves that to the law of where
    they are, and `bases` say by regime what differs there: the legal basis, and the state.
    """

    key: str
    name: str
    by_default: State | None
    signals: tuple[str, ...] = ()
    bases: Mapping[str, tuple[str, State]] = {}
    validity_days: int | None = None  # so long a yes counts; None: until it is taken back
    channels: tuple[str, ...] = ()
    retention_days: int | None = None  # so long what is stored for it is kept; None: for good

    @property
    def meant_by(self) -> frozenset[str]:
        """What means it in consent stamps: its own name, and those that it has elsewhere."""
        return frozenset((signal_of(self.key), *self.signals))

    def default(self, codes: frozenset[str], home: str) -> Default:
        """How somebody seen in these jurisdictions stands without a decision."""
        if self.by_default is not None:
            return Default(self.by_default, "", "")
        law = by_law(whole(self.key), codes, home)
        if not self.bases:
            return law
        basis, state = self.bases.get(law.regime, (law.basis, law.state))
        return Default(state, basis, law.regime)

    def expires(self, granted_at: int) -> int | None:
        """When a yes that was given then ends."""
        return None if self.validity_days is None else granted_at + self.validity_days * DAY


def by_channel(purpose: Purpose) -> list[Purpose]:
    """A purpose, and where it goes by several channels, each of them as a purpose of its own.

    What is said of the whole is said of each of them; the later word counts.
    """
    if len(purpose.channels) < 2:
        return [purpose]
    parts = [
        purpose._replace(
            key=f"{purpose.key}{DOT}{each}",
            signals=tuple(sorted(purpose.meant_by)),
            channels=(each,),
        )
        for each in purpose.channels
    ]
    return [purpose, *parts]


def whole(key: str) -> str:
    """The purpose that a key of it, or of one of its channels, is about."""
    return key.partition(DOT)[0]


def _tcf(*numbers: int) -> tuple[str, ...]:
    return tuple(f"tcf_{number}" for number in numbers)


# Category names of Segment's wrapper, OneTrust (C0001…), Cookiebot and Google Consent Mode v2; then
# the purposes of the TCF, and the opt-outs of the GPP: see docs/signals.md.
DEFAULT_PURPOSES = (
    Purpose(
        "necessary",
        "Strictly necessary",
        None,
        ("strictly_necessary", "c0001", "security_storage"),
    ),
    Purpose(
        "analytics",
        "Analytics",
        None,
        ("performance", "statistics", "analytics_storage", "c0002", *_tcf(1, 8, 9)),
    ),
    Purpose(
        "personalization",
        "Personalisation",
        None,
        (
            *("functional", "preferences", "personalization_storage", "c0003"),
            *("functionality_storage", *_tcf(1, 5, 6)),
        ),
    ),
    Purpose("marketing_email", "Marketing by e-mail", None, channels=("email",)),
    Purpose("marketing_push", "Marketing by push message", None, channels=("push",)),
    Purpose(
        "sale_or_share",
        "Sale or sharing for advertising",
        None,
        (
            *("advertising", "marketing", "targeting", "ad_storage", "c0004", GPC),
            *("ad_user_data", "ad_personalization", *gpp.OPT_OUTS, *_tcf(1, 2, 3, 4, 7)),
        ),
    ),
    Purpose("profiling", "Automated profiling", None, _tcf(1, 3, 4, 5, 6)),
)
