"""Makes of a message that was requested what it says to its person, by its template."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from activation.model import Delivery
from activation.templates import store
from activation.templates.model import Unrendered, message
from cdp.db import Connection


class Asked(NamedTuple):
    """A message: its delivery, the references that it is to be made of, and its person."""

    delivery: Delivery
    says: Mapping[str, Any]
    view: Mapping[str, Any]


class Unsaid(NamedTuple):
    """Why there is nothing to send; nothing of anybody."""

    reason: str


Properties = Callable[[Connection, Collection[bytes]], Awaitable[Mapping[bytes, Mapping[str, Any]]]]


@dataclass(frozen=True, slots=True)
class Composing:
    """`properties` are those of events by their ids, `links` those that an e-mail has."""

    properties: Properties
    links: Callable[[Delivery, Mapping[str, Any]], Mapping[str, str]]

    async def compose(
        self, connection: Connection, asked: Sequence[Asked]
    ) -> dict[bytes, Mapping[str, Any] | Unsaid]:
        """What each says, by the delivery's id: its references, and its template's fields."""
        templates = await store.some(connection, {each.says.get("template", "") for each in asked})
        events = {bytes.fromhex(each.says["event"]) for each in asked if each.says.get("event")}
        properties = await self.properties(connection, events) if events else {}
        found: dict[bytes, Mapping[str, Any] | Unsaid] = {}
        for each in asked:
            template = templates.get(each.says.get("template", ""))
            if template is None:
                found[each.delivery.id] = Unsaid("no such template any more")
                continue
            links = self.links(each.delivery, each.view)
            event = properties.get(bytes.fromhex(each.says.get("event") or ""), {})
            variables = {
                "person": each.view.get("traits", {}),
                "computed": each.view.get("computed", {}),
                "event": event,
                "campaign": {name: each.says.get(name) for name in ("key", "step")},
                "links": links,
            }
            variables["campaign"]["key"] = each.says.get("campaign", "")
            try:
                fields = message(template, variables)
            except Unrendered as error:
                found[each.delivery.id] = Unsaid(str(error))
            else:
                found[each.delivery.id] = {**each.says, **fields, "links": links}
        return found
