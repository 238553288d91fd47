"""A made-up shop's traffic, the same for the same seed: visitors, sign-ups, views and orders."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from bench.contexts import context

_PAGES = ["/", "/new", "/sale", "/men", "/women", "/kids", "/basket", "/checkout"]
_BRANDS = ["Acme", "Globex", "Initech", "Umbrella", "Stark"]
_CATEGORIES = ["Shoes", "Shirts", "Coats", "Bags", "Toys"]


def messages(people: int, *, seed: int = 1, start: str = "") -> Iterator[dict[str, Any]]:
    """Calls without end. Each person has a device, most sign in, some buy."""
    rng = random.Random(seed)
    number = 0
    while True:
        number += 1
        person = rng.randrange(people)
        yield _message(rng, person, f"{start}{seed}-{number}")


def _message(rng: random.Random, person: int, message_id: str) -> dict[str, Any]:
    at = datetime.now(UTC) - timedelta(seconds=rng.random() * 5)
    message: dict[str, Any] = {
        "messageId": f"ajs-next-{message_id}",
        "anonymousId": f"device-{person:08d}-{person * 7919 % 10007:05d}",
        "timestamp": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "context": context(rng, person),
        "integrations": {},
    }
    dice = rng.random()
    if person % 3:
        message["userId"] = f"user-{person:08d}"
    if dice < 0.5:
        return message | {"type": "page", "properties": {"path": rng.choice(_PAGES)}}
    if dice < 0.85:
        return message | {"type": "track", "event": "Product Viewed", "properties": _product(rng)}
    if dice < 0.95 or not person % 3:
        order = {
            "order_id": message_id,
            "revenue": rng.randrange(10, 300),
            "currency": "EUR",
            "products": [_product(rng) for _ in range(rng.randrange(1, 4))],
        }
        return message | {"type": "track", "event": "Order Completed", "properties": order}
    traits = {"email": f"user{person}@example.com", "country": rng.choice(["DE", "AT", "FR"])}
    return message | {"type": "identify", "traits": traits}


def _product(rng: random.Random) -> dict[str, Any]:
    number = rng.randrange(500)
    return {
        "product_id": f"p{number}",
        "sku": f"SKU-{number:05d}",
        "name": f"{rng.choice(_BRANDS)} {rng.choice(_CATEGORIES)}",
        "brand": rng.choice(_BRANDS),
        "category": rng.choice(_CATEGORIES),
        "price": rng.randrange(500, 20_000) / 100,
        "quantity": rng.randrange(1, 4),
        "currency": "EUR",
    }


def batches(people: int, size: int, *, seed: int = 1, start: str = "") -> Iterator[bytes]:
    """The same as bodies of `/v1/batch`."""
    stream = messages(people, seed=seed, start=start)
    while True:
        batch = [next(stream) for _ in range(size)]
        sent = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        yield msgspec.json.encode({"batch": batch, "sentAt": sent})
