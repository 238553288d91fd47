"""Forwards audiences to whatever speaks Segment's protocol: Segment, RudderStack, Jitsu."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from marshmallow import fields, validate

from activation.audiences.model import Names, calls
from activation.audiences.schema import AudienceForm, traits_field
from activation.claims import Claim
from activation.kinds.posting import Post, post
from activation.kinds.protocol import DestinationKind, Late, Message, Reach
from activation.model import Destination, Outcome
from activation.schema import kind_field, url_field
from cdp.events import Instant
from cdp.forms import Written
from cdp.times import iso

_LARGEST = 450_000  # bytes of calls in one request; Segment takes 500 KB
_WRITE_KEY = Written("^[!-9;-~]+$", error="Must be of visible ASCII characters, without a colon.")


class SegmentDestination(AudienceForm):
    """Where batches of identify and track calls go."""

    kind = kind_field("segment")
    url = url_field("https://api.segment.io")
    traits = traits_field()
    write_key = fields.String(
        load_only=True,
        validate=[validate.Length(1, 200), _WRITE_KEY],
        metadata={"description": "of the source there; kept if left out"},
    )


@dataclass(frozen=True, slots=True)
class Segment:
    """Posts to one source."""

    reach: Reach
    destination: Destination
    headers: Mapping[str, str]
    most: int = 32

    async def send(
        self, messages: Sequence[Message], claim: Claim, now: Instant
    ) -> Sequence[Outcome]:
        """In as few requests as they fit in. `messageId` is the delivery's, with a number."""
        names = Names.of(self.destination.settings)
        outcomes: list[Outcome] = []
        for some in _fitting([calls(each.delivery, each.view, names) for each in messages]):
            try:
                outcome = await self._post(some, messages[0].headers, claim, now)
            except Late:
                if not outcomes:
                    raise
                outcome = Outcome(False, None, "not begun in time")
            outcomes += [outcome] * len(some)
        return outcomes

    async def close(self) -> None:
        """The connections are everybody's."""

    async def _post(
        self,
        some: Sequence[Sequence[dict[str, Any]]],
        traced: Mapping[str, str],
        claim: Claim,
        now: Instant,
    ) -> Outcome:
        batch = [call for each in some for call in each]
        body = msgspec.json.encode({"batch": batch, "sentAt": iso(now)})
        url = self.destination.settings["url"].rstrip("/") + "/v1/batch"
        told = Post(url, body, {**traced, **self.headers}, self.destination.timeout)
        return await post(self.reach.poster, told, claim, now)


def _fitting(each: Sequence[list[dict[str, Any]]]) -> Iterator[list[list[dict[str, Any]]]]:
    """In their order, so many at once as one request may hold; one at least."""
    some: list[list[dict[str, Any]]] = []
    size = 0
    for said in each:
        length = len(msgspec.json.encode(said))
        if some and size + length > _LARGEST:
            yield some
            some, size = [], 0
        some.append(said)
        size += length
    if some:
        yield some


def _opened(destination: Destination, secrets: Mapping[str, str], reach: Reach) -> Segment:
    key = base64.b64encode(f"{secrets['write_key']}:".encode()).decode()
    headers = {"authorization": f"Basic {key}", "content-type": "application/json"}
    return Segment(reach, destination, headers | {"user-agent": "cdp"})


SEGMENT = DestinationKind(SegmentDestination, _opened, made={}, needed=frozenset({"write_key"}))
