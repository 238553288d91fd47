"""What is derived from the master key: keyed hashes, wrapped data keys, sealed bytes.

Sealing is AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce; subkeys come from the
master key by HKDF-SHA256 (RFC 5869); identifiers are hashed with keyed BLAKE2b (RFC 7693).
"""

from __future__ import annotations

import hashlib
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from cdp.errors import Unreadable
from cdp.log.compression import compress, decompress

_NONCE = 12


class Seal:
    """One data key. What it seals opens only with it and with the same `context`."""

    __slots__ = ("_cipher",)

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, plain: bytes, context: bytes) -> bytes:
        """Nonce and ciphertext; `context` names what this is, so rows cannot be swapped."""
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, plain, context)

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """The plain bytes; Unreadable when altered, or sealed as something else."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], context)
        except (InvalidTag, ValueError):
            raise Unreadable("sealed bytes do not open with this key") from None

    def pack(self, plain: bytes, context: bytes) -> bytes:
        """Compress (sealed bytes do not), then seal."""
        return self.seal(compress(plain), context)

    def unpack(self, sealed: bytes, context: bytes) -> bytes:
        """Open, then decompress."""
        return decompress(self.open(sealed, context))


class Vault:
    """The master key's children. Lose the master key and nothing opens again."""

    def __init__(self, master: bytes) -> None:
        self._lookup = _derive(master, b"lookup")
        self._wrap = Seal(_derive(master, b"wrap"))
        self.system = Seal(_derive(master, b"system"))  # operators' secrets, quarantined bodies
        self.check = _derive(master, b"check")[:16]  # tells whether this key fits a database

    def subject(self, namespace: str, value: str) -> bytes:
        """16 bytes that stand for an identifier and say nothing of it without the master key."""
        return self.digest(f"{namespace}\x00{value}".encode())

    def digest(self, plain: bytes) -> bytes:
        """16 bytes of keyed BLAKE2b."""
        return hashlib.blake2b(plain, key=self._lookup, digest_size=16).digest()

    def new_key(self, subject: bytes) -> bytes:
        """A fresh data key for a subject, wrapped for storing."""
        return self._wrap.seal(os.urandom(32), subject)

    def unwrap(self, subject: bytes, wrapped: bytes) -> Seal:
        """The data key itself."""
        return Seal(self._wrap.open(wrapped, subject))


def _derive(master: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"cdp " + purpose).derive(master)
