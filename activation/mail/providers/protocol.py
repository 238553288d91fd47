"""What a provider is: a function from what was posted to what came of deliveries."""

from __future__ import annotations

import re
import uuid
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

import msgspec

from activation.mail.reports import Report, Unreadable, delivery_of

_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")


class NotTheirs(Exception):
    """Nothing shows that the provider has sent it."""


class Posted(NamedTuple):
    """A request of a provider. Names of `headers` are in small letters."""

    headers: Mapping[str, str]
    body: bytes
    secret: str
    seconds: int  # since 1970
    fetch: Callable[[str], Awaitable[bytes]]  # what is at a URL that was checked


class Provider(Protocol):
    """NotTheirs or Unreadable if it is nothing; what is not of ours is left out."""

    async def __call__(self, posted: Posted, /) -> list[Report]: ...


def read(body: bytes) -> Any:
    """JSON; Unreadable if it is none."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise Unreadable("the body is not JSON") from None


def objects(value: Any) -> Iterator[Mapping[str, Any]]:
    """Those of a list that are objects; none, if it is no list."""
    if isinstance(value, list):
        yield from (each for each in value if isinstance(each, dict))


def inner(value: Any, *names: str) -> Any:
    """What is there below these names; None if nothing is."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def text(value: Any, *names: str) -> str:
    """Likewise, if it is a text; else an empty one."""
    found = inner(value, *names)
    return found if isinstance(found, str) else ""


def status(value: str) -> str:
    """The status (RFC 3463) in a text, if there is one."""
    found = _STATUS.search(value)
    return found.group() if found else ""


def ours(message_id: str) -> bytes | None:
    """The delivery that a Message-ID names, if it is one of ours."""
    bare = message_id.strip().removeprefix("<").removesuffix(">")
    try:
        return delivery_of(f"<{bare}>")
    except Unreadable:
        return None


def delivery(spelled: str) -> bytes | None:
    """The delivery of this id, if it is one."""
    try:
        return uuid.UUID(spelled).bytes
    except ValueError:
        return None


def known(reports: Iterable[Report | None]) -> list[Report]:
    """Without what is not of ours."""
    return [each for each in reports if each is not None]
