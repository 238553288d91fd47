"""E-mail, handed to an SMTP server: written, signed, and with a way out in its headers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from marshmallow import ValidationError, fields, validate, validates_schema

from activation.addresses import is_forbidden_host
from activation.claims import Claim
from activation.kinds.protocol import DestinationKind, Late, Message, Reach
from activation.mail import dkim
from activation.mail.dkim import Signer
from activation.mail.pool import Letter, Pool, Server, hand_over, told
from activation.mail.writing import ADDRESS, Envelope, Unwritable, address_of, written
from activation.model import MESSAGE, Destination, Outcome
from activation.schema import DestinationForm, kind_field
from cdp.events import Instant
from cdp.forms import WholeNumber, Written
from cdp.times import SECOND

if TYPE_CHECKING:
    from aiosmtplib import SMTP

KIND = "email"
_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = Written(rf"^{_LABEL}(\.{_LABEL})*$", error="Must be a name or an address of a server.")
_ADDRESS = Written(f"^{ADDRESS.pattern}$", error="Must be an e-mail address, in ASCII.")
_LINE = Written(r"^[^\x00-\x1f\x7f]*$", error="Must be one line.")
_WITHOUT_LEAVE = "no link to unsubscribe by"


def _private(pem: str) -> None:
    try:
        dkim.private(pem)
    except (ValueError, TypeError, UnicodeError):
        raise ValidationError("Must be an RSA key of 1024 to 4096 bits, as PEM.") from None


def _reachable(host: str) -> None:
    if is_forbidden_host(host):
        raise ValidationError("Must not name an address that is never anybody's: see Activation.")


def _line(default: str, about: str, *rules: Any) -> fields.String:
    return fields.String(
        load_default=default,
        validate=[validate.Length(max=254), *rules],
        metadata={"description": about},
    )


class EmailDestination(DestinationForm):
    """An SMTP server, and whose messages it takes."""

    kind = kind_field(KIND)
    host = fields.String(
        required=True,
        validate=[validate.Length(max=253), _HOST, _reachable],
        metadata={"example": "smtp.example.com"},
    )
    port = WholeNumber(load_default=587, validate=validate.Range(1, 65_535))
    security = fields.String(
        load_default="starttls", validate=validate.OneOf(["starttls", "tls", "none"])
    )
    username = _line("", "empty: the server asks for none", _LINE)
    password = fields.String(load_only=True, validate=validate.Length(max=1000))
    from_address = fields.String(
        required=True,
        validate=[validate.Length(max=254), _ADDRESS],
        metadata={"example": "news@shop.example"},
    )
    from_name = _line("", "whose name it is in; a template may say another", _LINE)
    reply_to = _line(
        "", "where answers go", Written(f"^({ADDRESS.pattern})?$", error=_ADDRESS._told)
    )
    return_path = _line(
        "",
        "where what cannot be delivered goes back to; `from_address` if left out",
        Written(f"^({ADDRESS.pattern})?$", error=_ADDRESS._told),
    )
    connections = WholeNumber(load_default=4, validate=validate.Range(1, 50))
    dkim_domain = _line(
        "",
        "the domain that signs: that of `from_address` if left out",
        Written(rf"^({_LABEL}(\.{_LABEL})*)?$", error="Must be a domain."),
    )
    dkim_selector = _line(
        "",
        "where its public key is: selector._domainkey.domain",
        Written(rf"^({_LABEL}(\.{_LABEL})*)?$", error="Must be a label, like 2026a."),
    )
    dkim_key = fields.String(
        load_only=True,
        validate=_private,
        metadata={"description": "its private key, as PEM; without one nothing is signed"},
    )

    @validates_schema(skip_on_field_errors=True)
    def _goes_together(self, data: dict[str, Any], **_: Any) -> None:
        if data["username"] and data["security"] == "none":
            raise ValidationError("Must be tls or starttls: a password goes along.", "security")
        if data.get("dkim_key") and not data["dkim_selector"]:
            raise ValidationError("Must be there with dkim_key.", "dkim_selector")


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
            return Outcome(True, None, "")  # nothing is kept where it would have to be deleted
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
        envelope = Envelope(sender, name, said["reply_to"], to, message.delivery.id, seconds, leave)
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
