"""What the master key's children have sealed in the database, column by column.

A test asks of every column of bytes what protects it. What the master key does stands here: it
would be lost when the key is changed.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any, NamedTuple

from sqlalchemy import TextClause, text

from cdp.log.quarantine import SEALED_AS
from cdp.log.vault import Seal, Vault
from cdp.quality import names
from profiles.models import fits

_COUNT = "select count(*) from {table} where {column} <> ''"
_READ = """
    select {id}, {column} from {table} where {id} > :after and {column} <> ''
     order by {id} limit :limit
"""
_WRITE = """
    update {table} t set {column} = u.new
      from unnest(cast(:ids as {type}[]), cast(:olds as bytea[]), cast(:news as bytea[]))
           u(id, old, new)
     where t.{id} = u.id and t.{column} = u.old
"""


class Sealed(NamedTuple):
    """A column that a child of the master key seals, each value in the context of its row's id."""

    table: str
    id: str
    type: str  # of the id, as PostgreSQL calls it
    least: Any  # comes before every id
    column: str
    seal: Callable[[Vault], Seal]
    context: Callable[[Any], bytes]

    @property
    def total(self) -> TextClause:
        """How many values there are."""
        return self._statement(_COUNT)

    @property
    def read(self) -> TextClause:
        """Those after an id, in order."""
        return self._statement(_READ)

    @property
    def write(self) -> TextClause:
        """Puts new values in the place of those that are still the old ones."""
        return self._statement(_WRITE)

    def _statement(self, template: str) -> TextClause:
        names = {"table": self.table, "id": self.id, "column": self.column, "type": self.type}
        return text(template.format(**names))


COLUMNS = (
    Sealed("subjects", "id", "bytea", b"", "key", lambda v: v.wraps, bytes),
    Sealed(
        "destinations",
        "key",
        "text",
        "",
        "secret",
        lambda v: v.system,
        lambda k: b"secret" + k.encode(),
    ),
    Sealed("deliveries", "id", "bytea", b"", "body", lambda v: v.system, bytes),
    Sealed(
        "privacy_requests",
        "id",
        "uuid",
        uuid.UUID(int=0),
        "reference",
        lambda v: v.system,
        lambda u: u.bytes,
    ),
    Sealed("quarantine", "id", "bigint", 0, "body", lambda v: v.system, lambda _: SEALED_AS),
    Sealed(
        "identity_trials",
        "id",
        "uuid",
        uuid.UUID(int=0),
        "result",
        lambda v: v.system,
        lambda u: b"trial" + u.bytes,
    ),
    Sealed("quality_names", "id", "bytea", b"", "name", lambda v: v.system, names.sealed_as),
    Sealed(
        "matching", "version", "int", 0, "model", lambda v: v.system, lambda n: b"matching %d" % n
    ),
    Sealed("model_fits", "id", "int", 0, "content", lambda v: v.system, fits.sealed_as),
)
