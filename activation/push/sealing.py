"""Web Push on the wire: payloads sealed for one browser (RFC 8291), and by whom (RFC 8292)."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

RECORD = 4096  # bytes of a sealed payload, which every push service takes
LONGEST = RECORD - 86 - 17  # of what is sealed: less a header, a tag and a delimiter
_POINT = 65  # bytes of an uncompressed point on P-256


def unpadded(raw: bytes) -> str:
    """URL-safe base64 without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def padded(text: str) -> bytes:
    """What that stands for; ValueError if it is none."""
    return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), b"-_", True)


def point(text: str) -> ec.EllipticCurvePublicKey:
    """A browser's public key; ValueError if it is no point on P-256."""
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), padded(text))


def sealed(
    plain: bytes,
    browser: str,
    auth: str,
    *,
    salt: bytes | None = None,
    own: ec.EllipticCurvePrivateKey | None = None,
) -> bytes:
    """A payload that only this browser opens: RFC 8291 section 4, with one record of RFC 8188."""
    salt, own = salt or os.urandom(16), own or ec.generate_private_key(ec.SECP256R1())
    theirs = point(browser)
    shared = own.exchange(ec.ECDH(), theirs)
    mine = encoded(own.public_key())
    info = b"WebPush: info\x00" + encoded(theirs) + mine
    key = _derived(shared, padded(auth), info, 32)
    cipher = AESGCM(_derived(key, salt, b"Content-Encoding: aes128gcm\x00", 16))
    nonce = _derived(key, salt, b"Content-Encoding: nonce\x00", 12)
    header = salt + RECORD.to_bytes(4) + _POINT.to_bytes(1) + mine
    return header + cipher.encrypt(nonce, plain + b"\x02", None)


def encoded(key: ec.EllipticCurvePublicKey) -> bytes:
    """A public key as an uncompressed point."""
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def new_key() -> str:
    """A private key to send with, as unpadded base64 of 32 bytes."""
    number = ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value
    return unpadded(number.to_bytes(32))


def private(text: str) -> ec.EllipticCurvePrivateKey:
    """The key that it stands for; ValueError if it is none."""
    raw = padded(text)
    if len(raw) != 32:
        raise ValueError("not 32 bytes")
    return ec.derive_private_key(int.from_bytes(raw), ec.SECP256R1())


def public(text: str) -> str:
    """What pages subscribe with: the public half of a private key."""
    return unpadded(encoded(private(text).public_key()))


def signed(claims: Mapping[str, Any], key: ec.EllipticCurvePrivateKey, **more: str) -> str:
    """A JSON Web Token, signed with ES256 (RFC 7518 section 3.4); `more` is for its head."""
    head = {"typ": "JWT", "alg": "ES256", **more}
    parts = ".".join(
        unpadded(json.dumps(each, separators=(",", ":")).encode()) for each in (head, claims)
    )
    r, s = decode_dss_signature(key.sign(parts.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{parts}.{unpadded(r.to_bytes(32) + s.to_bytes(32))}"


def authorization(
    audience: str, subject: str, expires: int, key: ec.EllipticCurvePrivateKey
) -> str:
    """The header by which a push service knows who sends (RFC 8292 section 3)."""
    token = signed({"aud": audience, "exp": expires, "sub": subject}, key)
    return f"vapid t={token}, k={unpadded(encoded(key.public_key()))}"


def _derived(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=salt, info=info).derive(secret)
