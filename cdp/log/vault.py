"""What is derived from the master key: keyed hashes, wrapped data keys, sealed bytes.

Hashes and signatures must outlive a master key: what makes them is derived from the first one, and
kept. What is wrapped and sealed moves from one master key to the next (`cdp.rotating`).

Sealing is AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce; subkeys come from the
master key by HKDF-SHA256 (RFC 5869); identifiers are hashed with keyed BLAKE2b (RFC 7693).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from cdp.errors import Unreadable
from cdp.log.compression import compress, decompress

_NONCE = 12
_KEPT_AS = b"keyset"


class Seal:
    """A data key. What it seals opens only with it and with the same `context`.

    With several the first one seals, and each still opens what it has sealed. One that is `renewed`
    took the place of one that was destroyed: what that sealed is still there.
    """

    __slots__ = ("_ciphers", "renewed")

    def __init__(self, *keys: bytes, renewed: bool = False) -> None:
        self._ciphers = tuple(map(AESGCM, keys))
        self.renewed = renewed

    def seal(self, plain: bytes, context: bytes) -> bytes:
        """Nonce and ciphertext; `context` names what this is, so rows cannot be swapped."""
        nonce = os.urandom(_NONCE)
        return nonce + self._ciphers[0].encrypt(nonce, plain, context)

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """The plain bytes; Unreadable when altered, or sealed as something else."""
        for cipher in self._ciphers:
            try:
                return cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], context)
            except (InvalidTag, ValueError):
                continue
        raise Unreadable("sealed bytes do not open with this key")

    def become(self, other: Seal) -> None:
        """Go by the keys of another one from now on, for all who have this one at hand."""
        self._ciphers = other._ciphers

    def moved(self, sealed: bytes, context: bytes) -> bytes | None:
        """Sealed by the first key, where another one did it; None where it has been that already.

        Unreadable where none did.
        """
        try:
            self._ciphers[0].decrypt(sealed[:_NONCE], sealed[_NONCE:], context)
        except (InvalidTag, ValueError):
            return self.seal(self.open(sealed, context), context)
        return None

    def pack(self, plain: bytes, context: bytes) -> bytes:
        """Compress (sealed bytes do not), then seal."""
        return self.seal(compress(plain), context)

    def unpack(self, sealed: bytes, context: bytes) -> bytes:
        """Open, then decompress."""
        return decompress(self.open(sealed, context))


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What outlives a change of the master key, stored sealed with the one that is in force."""

    lookup: bytes
    audit: bytes
    attest: bytes
    receipts: bytes
    spill: bytes
    wraps: tuple[bytes, ...] = ()  # of master keys before, while anything may be wrapped by them
    systems: tuple[bytes, ...] = ()
    links: tuple[bytes, ...] = ()  # people have links in their mailboxes

    @classmethod
    def first(cls, master: bytes) -> Kept:
        """Of an instance whose master key was never changed."""
        return cls(
            lookup=_derive(master, b"lookup"),
            audit=_derive(master, b"audit"),
            attest=_derive(master, b"consent chain"),
            receipts=_derive(master, b"receipts"),
            spill=_derive(master, b"spill"),
        )

    def after(self, master: bytes) -> Kept:
        """For the next one: with all that opens what this master key has sealed."""
        return msgspec.structs.replace(
            self,
            wraps=(_derive(master, b"wrap"), *self.wraps),
            systems=(_derive(master, b"system"), *self.systems),
            links=(_derive(master, b"links"), *self.links),
        )

    def moved(self, *, end_links: bool) -> Kept:
        """When nothing is wrapped or sealed any more by those before."""
        links = () if end_links else self.links
        return msgspec.structs.replace(self, wraps=(), systems=(), links=links)

    def sealed(self, master: bytes) -> bytes:
        """As it is stored; only this master key opens it."""
        return _keeper(master).seal(msgspec.msgpack.encode(self), _KEPT_AS)

    @classmethod
    def opened(cls, stored: bytes, master: bytes) -> Kept:
        """Stored so before; Unreadable with another master key."""
        return msgspec.msgpack.decode(_keeper(master).open(stored, _KEPT_AS), type=cls)


class Vault:
    """The master key's children. Lose the master key and nothing opens again.

    `master` is the one in force; `others` are those that it takes over from, or that take over.
    """

    def __init__(self, master: bytes, *others: bytes, kept: Kept | None = None) -> None:
        kept = kept or Kept.first(master)
        self._handed_over = kept.after(master)

        def seal(purpose: bytes, before: tuple[bytes, ...]) -> Seal:
            """By the one in force; others open what they have sealed."""
            return Seal(
                _derive(master, purpose), *before, *(_derive(each, purpose) for each in others)
            )

        self._lookup = hashlib.blake2b(key=kept.lookup, digest_size=16)  # copied: faster than anew
        self._audit, self._attest, self._receipts = kept.audit, kept.attest, kept.receipts
        self.wraps = seal(b"wrap", kept.wraps)
        self.system = seal(b"system", kept.systems)  # operators' secrets, quarantined bodies
        self.links = seal(b"links", kept.links)  # that people get: see `cdp.preferences`
        # For what no change of keys comes to, as on a collector's disk: this one is for good.
        # Before there was one, such things had the system's.
        former = _derive(master, b"system"), *kept.systems
        self.lasting = Seal(kept.spill, *former, *(_derive(each, b"system") for each in others))
        self.checks = tuple(map(check_of, (master, *others)))

    def become(self, other: Vault) -> None:
        """The same database's, under the master key that is in force there now."""
        for mine, theirs in (
            (self.wraps, other.wraps),
            (self.system, other.system),
            (self.links, other.links),
            (self.lasting, other.lasting),
        ):
            mine.become(theirs)
        self.checks, self._handed_over = other.checks, other._handed_over

    def handed_over(self, master: bytes) -> bytes:
        """What is stored when the next master key takes over: only that one opens it."""
        return self._handed_over.sealed(master)

    @property
    def check(self) -> bytes:
        """Tells whether this key fits a database."""
        return self.checks[0]

    def subject(self, namespace: str, value: str) -> bytes:
        """16 bytes that stand for an identifier and say nothing of it without the master key."""
        return self.digest(f"{namespace}\x00{value}".encode())

    def digest(self, plain: bytes) -> bytes:
        """16 bytes of keyed BLAKE2b."""
        made = self._lookup.copy()
        made.update(plain)
        return made.digest()

    def sign(self, plain: bytes) -> bytes:
        """32 bytes of keyed BLAKE2b that only who has the master key can make: the audit log's."""
        return hashlib.blake2b(plain, key=self._audit, digest_size=32).digest()

    def attest(self, plain: bytes) -> bytes:
        """Likewise: the chain of consent facts'."""
        return hashlib.blake2b(plain, key=self._attest, digest_size=32).digest()

    def receipt_key(self) -> bytes:
        """The 32 bytes of an Ed25519 private key (RFC 8032) that receipts are signed with."""
        return self._receipts

    def new_key(self, subject: bytes) -> bytes:
        """A fresh data key for a subject, wrapped for storing."""
        return self.wraps.seal(os.urandom(32), subject)

    def unwrap(self, subject: bytes, wrapped: bytes, *, renewed: bool = False) -> Seal:
        """The data key itself."""
        return Seal(self.wraps.open(wrapped, subject), renewed=renewed)

    def read(self, subject: bytes, wrapped: bytes, packed: bytes, context: bytes) -> bytes:
        """What was packed with a subject's data key, for one who keeps no key of so many."""
        key = self.wraps.open(wrapped, subject)
        try:
            plain = AESGCM(key).decrypt(packed[:_NONCE], packed[_NONCE:], context)
        except (InvalidTag, ValueError):
            raise Unreadable("sealed bytes do not open with this key") from None
        return decompress(plain)


def link(sign: Callable[[bytes], bytes], before: bytes, content: tuple[object, ...]) -> bytes:
    """The next mac of a chain: over what stands there, and the mac before it."""
    return sign(before + msgspec.msgpack.encode(content))


def check_of(master: bytes) -> bytes:
    """16 bytes that tell one master key from another, and nothing else of it."""
    return _derive(master, b"check")[:16]


def _keeper(master: bytes) -> Seal:
    return Seal(_derive(master, b"keyset"))


def _derive(master: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"cdp " + purpose).derive(master)
