"""What people write of an e-mail server, and of the provider behind it."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from activation.addresses import is_forbidden_host
from activation.mail import dkim
from activation.mail.providers import PROVIDERS, sendgrid
from activation.mail.writing import ADDRESS
from activation.schema import DestinationForm, kind_field
from cdp.forms import WholeNumber, Written

KIND = "email"
_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = Written(rf"^{_LABEL}(\.{_LABEL})*$", error="Must be a name or an address of a server.")
_ADDRESS = Written(f"^{ADDRESS.pattern}$", error="Must be an e-mail address, in ASCII.")
_LINE = Written(r"^[^\x00-\x1f\x7f]*$", error="Must be one line.")


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

    provider = fields.String(
        load_default="",
        validate=validate.OneOf(["", *PROVIDERS]),
        metadata={"description": "whose webhook tells of bounces and complaints"},
    )
    provider_secret = fields.String(
        load_only=True,
        validate=validate.Length(1, 2000),
        metadata={
            "description": "what shows that it is theirs: of ses the topic's ARN, of sendgrid the "
            "verification key, of mailgun the signing key, of postmark a password"
        },
    )

    @validates_schema(skip_on_field_errors=True)
    def _goes_together(self, data: dict[str, Any], **_: Any) -> None:
        if data["username"] and data["security"] == "none":
            raise ValidationError("Must be tls or starttls: a password goes along.", "security")
        if data.get("dkim_key") and not data["dkim_selector"]:
            raise ValidationError("Must be there with dkim_key.", "dkim_selector")
        if data["provider"] == "sendgrid" and "provider_secret" in data:
            try:
                sendgrid.key(data["provider_secret"])
            except ValueError:
                raise ValidationError(
                    "Must be the verification key of the signed event webhook.", "provider_secret"
                ) from None
