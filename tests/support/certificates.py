"""Certificates for a server on loopback, good for a day: an authority and what it vouches for."""

from __future__ import annotations

import datetime
import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_DAY = datetime.timedelta(days=1)


def authority_and_server() -> tuple[bytes, bytes]:
    """PEM of an authority's certificate; PEM of a server's key and its chain."""
    authority_key, server_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = _certificate("cdp test authority", authority_key, "cdp test authority", None)
    server = _certificate("127.0.0.1", authority_key, "cdp test authority", server_key)
    kept = server_key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return _pem(authority), kept + _pem(server) + _pem(authority)


def _certificate(
    name: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    issuer: str,
    key: ec.EllipticCurvePrivateKey | None,
) -> x509.Certificate:
    """Of a server, or of the authority itself where it has no key of its own."""
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
    if key is not None:
        address = x509.IPAddress(ipaddress.ip_address(name))
        draft = draft.add_extension(x509.SubjectAlternativeName([address]), critical=False)
    return draft.sign(issuer_key, hashes.SHA256())


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
