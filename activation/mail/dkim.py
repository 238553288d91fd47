"""Signs e-mails, so that whoever receives them knows whose they are.

Source: RFC 6376 with relaxed/relaxed canonicalisation, and rsa-sha256 (RFC 8301).
"""

from __future__ import annotations

import base64
import hashlib
import re
from typing import NamedTuple

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

_SIGNED = (
    b"from to subject date message-id reply-to mime-version content-type list-unsubscribe "
    b"list-unsubscribe-post"
).split()
_SPACES = re.compile(rb"[ \t]{2,}|\t")  # what is not one space already


class Signer(NamedTuple):
    """Whose signature, with which key: the public half is at `selector`._domainkey.`domain`."""

    domain: str
    selector: str
    key: rsa.RSAPrivateKey


def private(pem: str) -> rsa.RSAPrivateKey:
    """The key; ValueError if it is none that signs e-mails."""
    key = load_pem_private_key(pem.encode("ascii"), None)
    if not isinstance(key, rsa.RSAPrivateKey) or not 1024 <= key.key_size <= 4096:
        raise ValueError("no RSA key of 1024 to 4096 bits")
    return key


def signed(message: bytes, signer: Signer, seconds: int) -> bytes:
    """The message, lines ended by CRLF, below its signature; `seconds` is now, since 1970."""
    head, _, body = message.partition(b"\r\n\r\n")
    fields = [_field(each) for each in re.split(rb"\r\n(?![ \t])", head)]
    last = dict(fields)  # each stands once: what we write has none twice
    names = [name for name in _SIGNED if name in last]
    digest = base64.b64encode(hashlib.sha256(_body(body)).digest()).decode()
    listed = b":".join((*names, b"from")).decode()  # once more: nobody adds a second From
    value = (
        f"v=1; a=rsa-sha256; c=relaxed/relaxed; d={signer.domain}; s={signer.selector};"
        f" t={seconds};\r\n h={listed};\r\n bh={digest};\r\n b="
    )
    own = _field(b"DKIM-Signature: " + value.encode())
    text = b"".join(b"%s:%s\r\n" % (name, last[name]) for name in names) + b"%s:%s" % own
    made = signer.key.sign(text, padding.PKCS1v15(), hashes.SHA256())
    spelled = base64.b64encode(made).decode()
    folded = "\r\n  ".join(spelled[at : at + 72] for at in range(0, len(spelled), 72))
    return f"DKIM-Signature: {value}{folded}\r\n".encode() + message


def _field(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b":")
    unfolded = value.replace(b"\r\n", b"")
    return name.strip().lower(), _SPACES.sub(b" ", unfolded).strip()


def _body(body: bytes) -> bytes:
    if b"  " in body or b"\t" in body:  # far sooner looked up than replaced
        body = _SPACES.sub(b" ", body)
    lines = body.replace(b" \r\n", b"\r\n").rstrip(b" ")
    while lines.endswith(b"\r\n"):
        lines = lines[:-2]
    return lines + b"\r\n" if lines else b""
