"""What we sign so that others can check it without us: JWS (RFC 7515) with Ed25519 (RFC 8037).

The private key comes from the master key; whoever has the public one can check, and nobody forge.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any

import msgspec

CONSENT_RECEIPT = "consent-receipt"


class Signer:
    """Signs and checks what is of one `kind`; `private` are the 32 bytes of the key."""

    def __init__(self, private: bytes, kind: str = CONSENT_RECEIPT) -> None:
        # Only here: whoever never signs need not load it.
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        self._private = Ed25519PrivateKey.from_private_bytes(private)
        self._public = self._private.public_key()
        x = _encoded(self._public.public_bytes_raw())
        plain = f'{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}'
        kid = _encoded(hashlib.sha256(plain.encode()).digest())  # its thumbprint, RFC 7638
        self.jwk = {"kty": "OKP", "crv": "Ed25519", "x": x, "kid": kid, "alg": "EdDSA"}
        self._head = _encoded(_json({"alg": "EdDSA", "kid": kid, "typ": f"{kind}+jws"}))

    def sign(self, content: dict[str, Any]) -> str:
        """The content with our signature, as one text: `HEADER.PAYLOAD.SIGNATURE`."""
        said = f"{self._head}.{_encoded(_json(content))}"
        return f"{said}.{_encoded(self._private.sign(said.encode()))}"

    def open(self, signed: str) -> dict[str, Any] | None:
        """The content; None if we have not signed it as it stands."""
        from cryptography.exceptions import InvalidSignature

        head, _, rest = signed.partition(".")
        payload, _, signature = rest.partition(".")
        if head != self._head:
            return None
        try:
            self._public.verify(_decoded(signature), f"{head}.{payload}".encode())
            content: dict[str, Any] = msgspec.json.decode(_decoded(payload))
        except (InvalidSignature, ValueError, binascii.Error):
            return None
        return content


def _json(content: dict[str, Any]) -> bytes:
    return msgspec.json.encode(content)


def _encoded(plain: bytes) -> str:
    return base64.urlsafe_b64encode(plain).rstrip(b"=").decode()


def _decoded(written: str) -> bytes:
    padded = written.encode("ascii") + b"=" * (-len(written) % 4)
    plain = base64.b64decode(padded, b"-_", validate=True)
    if _encoded(plain) != written:
        raise ValueError("is written in another way than we write it")
    return plain
