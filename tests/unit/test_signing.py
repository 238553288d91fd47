"""Receipts are checked by anybody who has the public key, and made by nobody else."""

from __future__ import annotations

import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from cdp.evidence.signing import Signer
from cdp.log.vault import Vault

SIGNER, OTHER = (Signer(Vault(bytes([n]) * 32).receipt_key()) for n in (1, 2))
CONTENT = {"receipt_id": "r", "name": "Zoë"}


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_the_key_is_that_of_the_standards_own_example() -> None:
    # RFC 8037, appendix A.1 to A.4: private key, public key, and thumbprint.
    private = decoded("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")
    jwk = Signer(private).jwk
    assert jwk["x"] == "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    assert jwk["kid"] == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_what_is_signed_can_be_checked_by_others_with_the_public_key() -> None:
    signed = SIGNER.sign(CONTENT)
    head, payload, signature = signed.split(".")
    public = Ed25519PublicKey.from_public_bytes(decoded(SIGNER.jwk["x"]))
    public.verify(decoded(signature), f"{head}.{payload}".encode())
    assert json.loads(decoded(payload)) == CONTENT
    assert json.loads(decoded(head))["kid"] == SIGNER.jwk["kid"]
    assert SIGNER.open(signed) == CONTENT


@pytest.mark.parametrize("part", [0, 1, 2])
def test_altered_it_is_not_ours(part: int) -> None:
    parts = SIGNER.sign(CONTENT).split(".")
    letter = "B" if parts[part][3] == "A" else "A"
    parts[part] = parts[part][:3] + letter + parts[part][4:]
    assert SIGNER.open(".".join(parts)) is None


@pytest.mark.parametrize("signed", ["", ".", "..", "a.b.c", "é.é.é", OTHER.sign(CONTENT)])
def test_what_others_made_is_not_ours(signed: str) -> None:
    assert SIGNER.open(signed) is None


def test_nobody_gets_by_with_no_algorithm_or_with_more_at_the_end() -> None:
    head, payload, signature = SIGNER.sign(CONTENT).split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    for forged in (f"{none}.{payload}.", f"{none}.{payload}.{signature}"):
        assert SIGNER.open(forged) is None
    assert SIGNER.open(f"{head}.{payload}.{signature}.x") is None
    assert SIGNER.open(f"{head}.{payload}.{signature}=") is None
