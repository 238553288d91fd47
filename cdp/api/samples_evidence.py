"""Examples of what proves consent: receipts, their key and their check."""

from __future__ import annotations

from typing import Any

from cdp.api.samples import AT, FACT, ID
from cdp.api.shapes import Free, Names, Null
from cdp.evidence import receipts
from cdp.evidence.receipts import Controller, Notice, Person, Record, Said
from cdp.times import parse

_RECORD = Record(
    id=FACT,
    source="api",
    purpose="marketing_email",
    name="Marketing by e-mail",
    basis="consent",
    jurisdiction="DE",
    notice=Notice("2026-01", {"en": "ab" * 32}),
    validity_days=730,
    expired_at=None,
    recipients=["crm"],
    said=[Said(FACT, parse(AT), True, (3, 17), "9f" * 32)],
)
_MADE = receipts.receipt(
    ID,
    parse(AT),
    Person(ID, ["email", "trait country", "behaviour"]),
    [_RECORD],
    Controller("Example Ltd", "1 Example Street, Berlin", "privacy@example.com", "EU, Frankfurt"),
)
_SIGNED = "eyJhbGciOiJFZERTQSJ9.eyJyZWNlaXB0X2lkIjoi4oCmIn0.c2lnbmF0dXJl"


def _perhaps_null(example: Any, names: frozenset[str]) -> Any:
    """The example, with values that may be null marked as such."""
    if isinstance(example, list):
        return [_perhaps_null(each, names) for each in example]
    if not isinstance(example, dict):
        return example
    marked = {name: _perhaps_null(each, names) for name, each in example.items()}
    return {name: Null(each) if name in names else each for name, each in marked.items()}


_UNKNOWN = frozenset(
    {
        "fact",
        "jurisdiction",
        "language",
        "lawful_basis",
        "link",
        "party_address",
        "party_contact",
        "party_name",
        "storage_locations",
        "validity_duration",
    }
)
RECEIPT: dict[str, Any] = {"receipt": _perhaps_null(_MADE, _UNKNOWN), "signed": _SIGNED}
_PROCESSING = RECEIPT["receipt"]["consent_records"][0]["pii_processing"]
_PROCESSING["purposes"][0]["retention_period"] = Null("P400D")
_PROCESSING["privacy_notice"] = Null(
    {"version": "2026-01", "text_hashes": Names({"en": "ab" * 32})}
)
RECEIPT_KEYS: dict[str, Any] = {
    "keys": [
        {
            "kty": "OKP",
            "crv": "Ed25519",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
            "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
            "alg": "EdDSA",
        }
    ]
}
RECEIPT_CHECKED: dict[str, Any] = {
    "valid": True,
    "receipt": Null(Free(_MADE)),
    "unmatched": [FACT],
}
