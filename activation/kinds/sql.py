"""Keeps a table of audiences in somebody else's PostgreSQL: who is in which, and who left."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import httpcore
import psycopg
from marshmallow import ValidationError, fields, validate
from psycopg import AsyncConnection

from activation.addresses import is_forbidden_host
from activation.audiences import store
from activation.audiences.model import Names, rows
from activation.audiences.schema import AudienceForm, traits_field
from activation.claims import Claim
from activation.kinds.protocol import DestinationKind, Late, Message, Reach
from activation.model import ERASED, UPDATED, Destination, Outcome
from activation.reaching import ForbiddenAddress, allowed
from activation.schema import kind_field
from cdp.events import Instant
from cdp.forms import Flag, WholeNumber, Written

_HOST = Written(
    r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,250}[A-Za-z0-9])?$|^[0-9A-Fa-f:]{2,39}$",
    error="Must be a host's name or address.",
)
_TABLE = Written(
    r"^[a-z_][a-z0-9_]{0,62}(\.[a-z_][a-z0-9_]{0,62})?$",
    error="Must be a table, or schema.table, in small letters, digits and _.",
)
_NAME = Written("^[!-~]{1,63}$", error="Must be of visible ASCII characters, 63 at most.")
_VALUES = ("22", "23")  # classes of SQLSTATE: what was written does not fit


def _reachable(host: str) -> None:
    if is_forbidden_host(host):
        raise ValidationError("Must not name an address that is never anybody's: see Activation.")


class SqlDestination(AudienceForm):
    """A database and a table in it, which is made if it is not there."""

    kind = kind_field("sql")
    host = fields.String(
        required=True, validate=[_HOST, _reachable], metadata={"example": "db.example.com"}
    )
    port = WholeNumber(load_default=5432, validate=validate.Range(1, 65_535))
    database = fields.String(required=True, validate=_NAME, metadata={"example": "warehouse"})
    user = fields.String(required=True, validate=_NAME, metadata={"example": "cdp"})
    password = fields.String(
        load_only=True,
        validate=validate.Length(1, 1000),
        metadata={"description": "kept if left out"},
    )
    tls = fields.String(
        load_default="require",
        validate=validate.OneOf(["disable", "require", "verify-full"]),
        metadata={"description": "verify-full takes a certificate that the system trusts"},
    )
    table = fields.String(load_default="cdp_audiences", validate=_TABLE)
    traits = traits_field()
    consent_events = Flag(
        load_default=False,
        validate=validate.OneOf([False], error="Must be false: a table has only who is in or out."),
    )


class Sql:
    """One connection to one database, made when it is needed first."""

    most = 64

    def __init__(self, destination: Destination, password: str, private: bool) -> None:
        self._destination = destination
        self._password = password
        self._private = private
        self._connection: AsyncConnection[Any] | None = None
        self._turn = asyncio.Lock()
        self._names = Names.of(destination.settings)

    async def send(
        self, messages: Sequence[Message], claim: Claim, now: Instant
    ) -> Sequence[Outcome]:
        """All in one transaction; if a value does not fit its column, each in one of its own."""
        try:
            return await self._all(messages, claim)
        except psycopg.Error as error:
            if len(messages) == 1 or not _misfit(error):
                return [_failed(error)] * len(messages)
        outcomes: list[Outcome] = []
        for message in messages:
            try:
                outcomes += await self._all([message], claim)
            except psycopg.Error as error:
                outcomes.append(_failed(error))
            except Late:
                outcomes.append(Outcome(False, None, "not begun in time"))
        return outcomes

    async def _all(self, messages: Sequence[Message], claim: Claim) -> list[Outcome]:
        try:
            async with asyncio.timeout(self._destination.timeout), self._turn:
                await self._once(messages, claim)
        except (httpcore.ConnectError, ForbiddenAddress, TimeoutError) as error:
            return [Outcome(False, None, type(error).__name__)] * len(messages)
        return [Outcome(True, None, "")] * len(messages)

    async def _once(self, messages: Sequence[Message], claim: Claim) -> None:
        """A connection on which something else went wrong than what was written is not kept."""
        kept = False
        try:
            connection = await self._ready()
            if claim.late:
                kept = True
                raise Late
            async with connection.transaction():
                await self._write(connection, messages)
            kept = True
        except psycopg.Error as error:
            kept = _misfit(error)
            raise
        finally:
            if not kept:
                await self._drop()

    async def _write(self, connection: AsyncConnection[Any], messages: Sequence[Message]) -> None:
        table, names = self._destination.settings["table"], self._names
        found = [
            row
            for each in messages
            if each.delivery.kind in {"entered", "left"}
            for row in rows(each.delivery, each.view, names)
        ]
        fresh = [
            row
            for each in messages
            if each.delivery.kind == UPDATED
            for row in rows(each.delivery, each.view, names)
        ]
        if found:
            await store.put(connection, table, found, names.columns)
        if fresh:
            await store.refresh(connection, table, fresh, names.columns)
        gone = [
            profile
            for each in messages
            if each.delivery.kind == ERASED
            for profile in each.view["profile_ids"]
        ]
        if gone:
            await store.erase(connection, table, gone)

    async def _ready(self) -> AsyncConnection[Any]:
        if self._connection is None or self._connection.closed:
            connection = await self._connected()
            try:
                await store.prepare(
                    connection, self._destination.settings["table"], self._names.columns
                )
            except BaseException:
                await connection.close()
                raise
            self._connection = connection
        return self._connection

    async def _connected(self) -> AsyncConnection[Any]:
        """To an address that was checked; by its name as far as certificates go."""
        settings = self._destination.settings
        host, port, tls = settings["host"], settings["port"], settings["tls"]
        failed: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in await allowed(host, port, private=self._private):
            try:
                return await AsyncConnection.connect(
                    host=host,
                    hostaddr=address,
                    port=port,
                    dbname=settings["database"],
                    user=settings["user"],
                    password=self._password,
                    sslmode=tls,
                    sslrootcert="system" if tls == "verify-full" else None,
                    application_name="cdp",
                    connect_timeout=max(2, round(self._destination.timeout)),
                    autocommit=True,
                    prepare_threshold=None,  # a pooler in between may give each a server of its own
                )
            except psycopg.OperationalError as error:
                failed = error
        raise failed

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.Error):
                await connection.close()

    async def close(self) -> None:
        """Let go of the connection, after what is under way."""
        async with self._turn:
            await self._drop()


def _misfit(error: psycopg.Error) -> bool:
    return (error.sqlstate or "").startswith(_VALUES)


def _failed(error: psycopg.Error) -> Outcome:
    """Nothing of what was written is told: only what kind of error it was."""
    reason = f"SQLSTATE {error.sqlstate}" if error.sqlstate else type(error).__name__
    return Outcome(False, None, reason, final=_misfit(error))


def _opened(destination: Destination, secrets: Mapping[str, str], reach: Reach) -> Sql:
    return Sql(destination, secrets["password"], reach.private)


SQL = DestinationKind(SqlDestination, _opened, made={}, needed=frozenset({"password"}))
