"""Certificates good for a day: an authority, a server on loopback and a client of it."""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_DAY = datetime.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM of the authority; key and chain of the server; certificate and key of the client."""

    authority: bytes
    server: bytes
    client: bytes
    client_key: bytes


def certificates() -> Certificates:
    """Made anew, of an authority that nobody else knows."""
    authority_key, server_key, client_key = (
        ec.generate_private_key(ec.SECP256R1()) for _ in range(3)
    )
    authority = _certificate("cdp test authority", authority_key, "cdp test authority", None)
    server = _certificate("127.0.0.1", authority_key, "cdp test authority", server_key)
    client = _certificate("cdp", authority_key, "cdp test authority", client_key)
    chain = _key(server_key) + _pem(server) + _pem(authority)
    return Certificates(_pem(authority), chain, _pem(client), _key(client_key))


def _key(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _certificate(
    name: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    issuer: str,
    key: ec.EllipticCurvePrivateKey | None,
) -> x509.Certificate:
    """Of a server, a client, or of the authority itself where it has no key of its own."""
    now = datetime.datetime.now(datetime.UTC)
    draft = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key((key or issuer_key).public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + _DAY)
        .add_extension(x509.BasicConstraints(ca=key is None, path_length=None), critical=True)
    )
    if key is not None and name[0].isdigit():
        address = x509.IPAddress(ipaddress.ip_address(name))
        draft = draft.add_extension(x509.SubjectAlternativeName([address]), critical=False)
    return draft.sign(issuer_key, hashes.SHA256())


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
