"""What people are shown when they are asked: versions that never change, and their SQL."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import NamedTuple

from cdp.db import Connection, named

_PUT = named(
    """
    insert into notices (version, language, title, text, text_hash)
    values (:version, :language, :title, :text, :text_hash)
    on conflict (version, language) do nothing
    """
)
_READ = named(
    """
    select version, language, title, text, text_hash, created_at from notices
     where cast(:versions as text[]) is null or version = any(cast(:versions as text[]))
     order by version, language
    """
)


class Notice(NamedTuple):
    """One version in one language; `text_hash` is the SHA-256 of title, a line feed and text."""

    version: str
    language: str
    title: str
    text: str
    text_hash: str
    created_at: datetime


def text_hash(title: str, text: str) -> str:
    """What proves a wording."""
    return hashlib.sha256(f"{title}\n{text}".encode()).hexdigest()


async def put(connection: Connection, version: str, texts: Mapping[str, tuple[str, str]]) -> bool:
    """Store a version, title and text by language; False if it exists with other words."""
    for language, (title, text) in sorted(texts.items()):
        values = {"version": version, "language": language, "title": title, "text": text}
        await connection.execute(_PUT, values | {"text_hash": text_hash(title, text)})
    kept = {each.language: each.text_hash for each in await read(connection, [version])}
    return all(kept[language] == text_hash(*words) for language, words in texts.items())


async def read(connection: Connection, versions: Collection[str] | None = None) -> list[Notice]:
    """These versions in every language; all of them, if none are named."""
    values = {"versions": list(versions) if versions is not None else None}
    return [Notice(*row) for row in await connection.execute(_READ, values)]


async def hashes(connection: Connection, versions: Collection[str]) -> dict[str, dict[str, str]]:
    """The hash of each text of these versions, by version and language, as far as they are kept."""
    found: dict[str, dict[str, str]] = {}
    for each in await read(connection, versions) if versions else ():
        found.setdefault(each.version, {})[each.language] = each.text_hash
    return found
