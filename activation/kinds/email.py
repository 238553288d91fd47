"""E-mail, handed to an SMTP server: written, signed, and with a way out in its headers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from activation.claims import Claim
from activation.kinds.protocol import MESSAGES_ALONE, DestinationKind, Late, Message, Reach
from activation.mail import dkim
from activation.mail.dkim import Signer
from activation.mail.pool import Letter, Pool, Server, hand_over, told
from activation.mail.schema import EmailDestination
from activation.mail.writing import Envelope, Unwritable, address_of, written
from activation.model import MESSAGE, Destination, Outcome
from cdp.events import Instant
from cdp.times import SECOND

if TYPE_CHECKING:
    from aiosmtplib import SMTP

_WITHOUT_LEAVE = "no link to unsubscribe by"


class Email:
    """Hands messages over to one server."""

    most = 1

    def __init__(
        self, destination: Destination, pool: Pool, signer: Signer | None, reach: Reach
    ) -> None:
        self._destination = destination
        self._pool = pool
        self._signer = signer
        self._reach = reach

    async def send(
        self, messages: Sequence[Message], claim: Claim, now: Instant
    ) -> Sequence[Outcome]:
        """Each by itself. SMTP knows no repeats: `Message-ID` is the same for every try."""
        return [await self._one(each, claim, now) for each in messages]

    async def close(self) -> None:
        """Let go of the connections."""
        await self._pool.close()

    async def _one(self, message: Message, claim: Claim, now: Instant) -> Outcome:
        if message.delivery.kind != MESSAGE:
            return Outcome(False, None, MESSAGES_ALONE, final=True)
        said = self._destination.settings
        to = address_of(message.view)
        if not to:
            return Outcome(False, None, "no e-mail address", final=True)
        needed = message.delivery.purpose != "necessary"  # to which nobody can say no
        leave = message.content.get("links", {}).get("unsubscribe", "") if needed else ""
        if needed and not leave:
            return Outcome(False, None, _WITHOUT_LEAVE, final=True)
        seconds = now // SECOND
        sender, name = said["from_address"], said["from_name"]
        envelope = Envelope(
            sender,
            name,
            said["reply_to"],
            to,
            message.delivery.id,
            seconds,
            leave,
            said.get("provider") == "postmark",
        )
        try:
            html = self._reach.tracked(
                message.view, message.delivery, str(message.content.get("html") or "")
            )
            raw = written(envelope, {**message.content, "html": html})
        except Unwritable as error:
            return Outcome(False, None, str(error), final=True)
        if self._signer is not None:
            raw = dkim.signed(raw, self._signer, seconds)
        letter = Letter(said["return_path"] or sender, to, raw)
        outcome = await self._hand_over(letter, claim)
        if outcome.final:  # the server refused it, and may have said that there is no such address
            status = outcome.reason.rpartition(" ")[2]
            await self._reach.unreachable(message.view, message.delivery, status)
        return outcome

    async def _hand_over(self, letter: Letter, claim: Claim) -> Outcome:
        import aiosmtplib

        async with self._pool.room():
            if claim.late:
                raise Late
            try:
                async with asyncio.timeout(self._destination.timeout):
                    return await self._over(await self._pool.taken(), letter, claim)
            except aiosmtplib.SMTPResponseException as error:  # as a greeting, or to a password
                return Outcome(False, error.code, told(error.code, error.message))
            except (aiosmtplib.SMTPException, OSError, TimeoutError, ValueError) as error:
                return Outcome(False, None, type(error).__name__)

    async def _over(self, client: SMTP, letter: Letter, claim: Claim) -> Outcome:
        import aiosmtplib

        good = False
        try:
            if claim.late:
                good = True
                raise Late
            await hand_over(client, letter)
            good = True
        except aiosmtplib.SMTPResponseException as error:
            with suppress(aiosmtplib.SMTPException, OSError):
                await client.rset()
                good = True
            reason = told(error.code, error.message)
            return Outcome(False, error.code, reason, final=error.code >= 500)
        else:
            return Outcome(True, 250, "")
        finally:
            if good:
                self._pool.back(client)
            else:
                client.close()


def _opened(destination: Destination, secrets: Mapping[str, str], reach: Reach) -> Email:
    said = destination.settings
    domain = said["from_address"].rpartition("@")[2]
    server = Server(
        said["host"],
        said["port"],
        said["security"],
        said["username"],
        secrets.get("password", ""),
        domain,
        reach.private,
    )
    signer = None
    if key := secrets.get("dkim_key"):
        signer = Signer(said["dkim_domain"] or domain, said["dkim_selector"], dkim.private(key))
    return Email(destination, Pool(server, said["connections"]), signer, reach)


def _reaches(view: Mapping[str, Any]) -> bool:
    return bool(address_of(view))


EMAIL = DestinationKind(
    EmailDestination,
    _opened,
    made={},
    changes=False,
    messages=frozenset({"email"}),
    channel="email",
    reaches=_reaches,
)
