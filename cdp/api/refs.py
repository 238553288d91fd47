"""How people and things are named in a request: `namespace:value`, a profile's id, a key."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable

from fastapi import Request

import consent.store as consent_store
import identity.store as identity_store
from cdp.db import Connection
from cdp.errors import Invalid, NotFound
from cdp.events import Identifier, ProfileId
from consent.schema import KEY_PATTERN, NO_PURPOSE, PURPOSE
from identity.identifiers import namespace_of, normalised

PROFILE_ID = "profile_id"
MOST_SOURCES = (1 << 31) - 1
_NUMBER = re.compile("[1-9][0-9]{0,9}")
UUID = "[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}"
PATTERN = f"^([A-Za-z][A-Za-z0-9_.]*:.+|{UUID})$"  # of what names a person


def identifier(ref: str) -> Identifier | ProfileId:
    """The identifier or profile id that a path names; Invalid if it names neither."""
    named = _named(ref)
    if named is None:
        raise Invalid(f"{ref!r} stands for nobody in particular", field="ref")
    return named


def known(ref: str, *, field: str) -> Identifier | ProfileId | None:
    """The same, but None for what stands for nobody; `field` is what an error names."""
    try:
        return _named(ref)
    except Invalid as error:
        raise Invalid(f"{field}: {error.detail}", field=field) from None


async def profile_of(
    connection: Connection, ref: str, hashed: Callable[[str, str], bytes]
) -> ProfileId:
    """The profile that this person has now; NotFound if nobody was ever seen under this name."""
    named = _named(ref)
    profile = None
    if named is not None:
        node = hashed(*named) if isinstance(named, Identifier) else named
        profile = await identity_store.profile_of(connection, node)
    if profile is None:
        raise NotFound(f"nobody has been seen as {ref}")
    return profile


def _named(ref: str) -> Identifier | ProfileId | None:
    """None for what forms and SDKs send when they have no value, like `user_id:null`."""
    namespace, separator, value = ref.partition(":")
    if separator and namespace_of(namespace) not in {"", PROFILE_ID}:
        return normalised(namespace_of(namespace), value)
    try:
        return uuid.UUID(value or namespace).bytes
    except ValueError:
        raise Invalid(
            "name a person as namespace:value, like email:ada@example.com, or by profile id",
            field="ref",
        ) from None


def key(request: Request) -> str:
    """The key in the path."""
    return checked_key(request.path_params["key"], field="key")


def checked_key(found: str, *, field: str) -> str:
    """A key as it may be written."""
    if not KEY_PATTERN.fullmatch(found):
        raise Invalid("a key has lower-case letters, digits, - and _, at most 64", field=field)
    return found


def source(request: Request) -> int:
    """The number of a source in the path."""
    return _source(request.path_params["source"])


def source_asked(request: Request) -> int | None:
    """The number of a source in the query string; None if it is not there."""
    found = request.query_params.get("source")
    return None if found is None else _source(found)


def _source(found: str) -> int:
    if not _NUMBER.fullmatch(found) or int(found) > MOST_SOURCES:
        raise Invalid(
            "source must be the number of a write key: `cdp keys list` shows it as write:NUMBER",
            field="source",
        )
    return int(found)


def purpose(request: Request) -> str:
    """The key of a purpose, or of one of its channels, in the path."""
    found: str = request.path_params["key"]
    if not PURPOSE.regex.fullmatch(found):
        raise Invalid(NO_PURPOSE, field="key")
    return found


async def known_purpose(connection: Connection, purpose: str, field: str = "purpose") -> None:
    """Invalid, naming those there are, if there is no such purpose."""
    known = [each.key for each in await consent_store.purposes(connection)]
    if purpose not in known:
        told = "purpose: unknown" if field == "purpose" else f"{field}: unknown purpose {purpose}"
        raise Invalid(f"{told}; known are {', '.join(known)}", field=field)
