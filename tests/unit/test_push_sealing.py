"""Payloads as RFC 8291 has them, byte by byte, and as somebody else's library opens them."""

from __future__ import annotations

import json

import http_ece
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import given
from hypothesis import strategies as st

from activation.push import sealing

# RFC 8291, section 5 and appendix A.
PLAIN = b"When I grow up, I want to be a watermelon"
AUTH = "BTBZMqHH6r4Tts7J_aSIgg"
BROWSER = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
BROWSERS_OWN = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"
SENDER = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
SALT = "DGv6ra1nlYgDCS1FRnbzlw"
SEALED = (
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6"
    "TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy"
    "4a-fN"
)


def test_the_example_of_the_rfc() -> None:
    salt, own = sealing.padded(SALT), sealing.private(SENDER)
    found = sealing.sealed(PLAIN, BROWSER, AUTH, salt=salt, own=own)
    assert sealing.unpadded(found) == SEALED


@given(st.binary(max_size=sealing.LONGEST))
def test_a_browser_opens_what_is_sealed_for_it(plain: bytes) -> None:
    sealed = sealing.sealed(plain, BROWSER, AUTH)
    assert len(sealed) <= sealing.RECORD
    key, auth = sealing.private(BROWSERS_OWN), sealing.padded(AUTH)
    opened = http_ece.decrypt(sealed, private_key=key, auth_secret=auth, version="aes128gcm")
    assert opened == plain
    other = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(http_ece.ECEException):
        http_ece.decrypt(sealed, private_key=other, auth_secret=auth, version="aes128gcm")


def test_two_of_the_same_are_not_alike() -> None:
    assert sealing.sealed(PLAIN, BROWSER, AUTH) != sealing.sealed(PLAIN, BROWSER, AUTH)


def test_who_sends_is_signed() -> None:
    text = sealing.new_key()
    told = sealing.authorization("https://push.example", "mailto:a@example.com", 5, key_of(text))
    token, _, public = told.removeprefix("vapid t=").partition(", k=")
    assert public == sealing.public(text)
    head, claims, signature = token.split(".")
    assert json.loads(sealing.padded(head)) == {"typ": "JWT", "alg": "ES256"}
    said = {"aud": "https://push.example", "exp": 5, "sub": "mailto:a@example.com"}
    assert json.loads(sealing.padded(claims)) == said
    raw = sealing.padded(signature)
    der = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
    signed = f"{head}.{claims}".encode()
    sealing.point(public).verify(der, signed, ec.ECDSA(hashes.SHA256()))


def key_of(text: str) -> ec.EllipticCurvePrivateKey:
    return sealing.private(text)


@pytest.mark.parametrize("text", ["", "x", "ü", sealing.unpadded(bytes(31))])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        sealing.private(text)
    with pytest.raises(ValueError):
        sealing.point(text)
