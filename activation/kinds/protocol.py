"""What a kind of destination is: a form for its settings, and connectors that take messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import httpx

from activation.claims import Claim
from activation.model import Delivery, Destination, Outcome
from activation.posters import ByClient, Poster
from activation.schema import DestinationForm
from cdp.events import Instant


class Late(Exception):
    """The claim on a delivery was over before it was begun to be sent."""


class Message(NamedTuple):
    """One delivery, and what there is to say."""

    delivery: Delivery
    view: Mapping[str, Any]  # the person, as profiles are read
    content: Mapping[str, Any]  # of a campaign's message; a change of a segment has none
    headers: Mapping[str, str]  # of the trace that it belongs to; nothing of the delivery


class Ending(Protocol):
    """Ends subscriptions of a person, by name, that a delivery found to be no more."""

    async def __call__(
        self, view: Mapping[str, Any], names: Sequence[str], delivery: bytes, /
    ) -> None: ...


class Unreachable(Protocol):
    """Hears of a server's status (RFC 3463) that refused an e-mail for good."""

    async def __call__(
        self, view: Mapping[str, Any], delivery: Delivery, status: str, /
    ) -> None: ...


async def _unheard(view: Mapping[str, Any], delivery: Delivery, status: str, /) -> None:
    """Where nobody listens."""


async def _kept(view: Mapping[str, Any], names: Sequence[str], delivery: bytes, /) -> None:
    """Where nothing keeps any."""


def _as_it_is(view: Mapping[str, Any], delivery: Delivery, html: str, /) -> str:
    return html


class Reach(NamedTuple):
    """The way out of this process, and the way back for what is found out there."""

    client: httpx.AsyncClient  # goes only where destinations may be
    private: bool  # whether private networks are fine, for connections of another kind
    gone: Ending = _kept
    files: Path | None = None  # below which files may be written; None: nowhere
    tracked: Callable[[Mapping[str, Any], Delivery, str], str] = _as_it_is  # an e-mail's HTML
    unreachable: Unreachable = _unheard
    wire: Poster | None = None  # beneath the client, where that is not a test's

    @property
    def poster(self) -> Poster:
        """What carries deliveries."""
        return self.wire or ByClient(self.client)


MESSAGES_ALONE = "such a destination carries messages alone"


class Connector(Protocol):
    """One destination, ready to be sent to; it lives until the destination changes."""

    @property
    def most(self) -> int:
        """Messages that it takes at once."""

    async def send(
        self, messages: Sequence[Message], claim: Claim, now: Instant
    ) -> Sequence[Outcome]:
        """One try of each, and what came of it, in their order.

        What cannot be sent is an Outcome, not an error. Late, and nothing was sent, if the claim on
        them is over (`claim.late`) when their first byte could go.
        """

    async def close(self) -> None:
        """Let go of connections."""


def _anybody(view: Mapping[str, Any]) -> bool:
    return bool(view)


@dataclass(frozen=True, slots=True)
class DestinationKind:
    """One kind. Its `form` has its settings beside what all destinations have.

    Fields that are only loaded (`load_only`) are secrets: text, sealed, and never shown. `made` are
    those that are made up where nobody gave one, and told once.
    """

    form: type[DestinationForm]
    opened: Callable[[Destination, Mapping[str, str], Reach], Connector]
    made: Mapping[str, Callable[[], str]]
    needed: frozenset[str] = frozenset()  # secrets that have to be given at first
    changes: bool = True  # whether it is told who entered and left segments
    messages: frozenset[str] = frozenset()  # the channels of templates whose messages it carries
    channel: str = ""  # what it sends by, unless the destination says otherwise
    reaches: Callable[[Mapping[str, Any]], bool] = _anybody  # whether it can, by a person's view

    @property
    def secrets(self) -> frozenset[str]:
        """Names of the secrets among its settings."""
        return frozenset(name for name, each in self.form().fields.items() if each.load_only)
