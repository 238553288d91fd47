"""Receipts say what was decided, fit the chain of the log, and are checked by anybody."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from cdp import times
from cdp.db import named
from tests.conftest import Api, Instance
from tests.support.instances import api_on

FORGED = named("update consent_chain set mac = sha256(mac)")
PURPOSE = "marketing_email"
DAY = 86_400 * times.SECOND


async def decide(api: Api, state: str, ref: str = "email:ada@example.com", **more: Any) -> Any:
    return await api.put(f"/consent/{ref}", {"purpose": PURPOSE, "state": state} | more)


async def receipt(api: Api, ref: str = "email:ada@example.com") -> Any:
    return await api.get(f"/consent/{ref}/receipt")


async def checked(api: Api, signed: str) -> Any:
    answer = await api.call("POST", "/consent/receipts/verify", json={"signed": signed})
    assert answer.status_code == 200, answer.text
    return answer.json()


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


async def test_it_tells_what_was_decided_and_all_that_is_known(instance: Instance) -> None:
    settings = replace(
        instance.settings,
        controller="Example Ltd",
        controller_contact="privacy@example.com",
        storage_location="EU",
    )
    async with api_on(replace(instance, settings=settings)) as api:
        await api.send("/v1/identify", {"userId": "ada", "traits": {"email": "ada@example.com"}})
        hook = {"kind": "webhook", "url": "http://127.0.0.1:9/", "purpose": PURPOSE}
        await api.put("/destinations/crm", hook)
        first = await decide(api, "denied")
        second = await decide(api, "granted")
        await api.settle()
        told = (await receipt(api))["receipt"]
    (record,) = told["consent_records"]
    assert record["record_id"] == second["fact"]
    assert told["pii_principal_id"] == record["pii_principal_id"]
    (purpose,) = record["pii_processing"]["purposes"]
    assert purpose["purpose_type"] == PURPOSE
    assert purpose["storage_locations"] == ["EU"]
    assert purpose["recipient_third_parties"] == ["crm"]
    assert "privacy@example.com" in purpose["withdrawal_method"]
    kinds = [each["pii_type"] for each in purpose["pii_information"]]
    assert kinds == ["email", "trait email", "user_id"]
    events = record["consent_events"]
    assert [each["event_state"] for each in events] == ["consent_refused", "consent_given"]
    assert [each["fact"] for each in events] == [first["fact"], second["fact"]]
    assert [each["event_time"] for each in events] == [first["at"], second["at"]]
    parties = {each["party_id"]: each for each in told["party_identification"]}
    assert parties["controller"]["party_name"] == "Example Ltd"
    assert parties["controller"]["party_address"] is None
    assert parties["crm"]["party_role"] == "third_party"


async def test_a_withdrawal_shows_and_repeated_stamps_are_one_event(api: Api) -> None:
    stamp = {"context": {"consent": {"categoryPreferences": {PURPOSE: True}}}}
    for _ in range(3):
        await api.send("/v1/page", {"userId": "ada"} | stamp)
    await decide(api, "denied", "user_id:ada")
    await api.settle()
    (record,) = (await receipt(api, "user_id:ada"))["receipt"]["consent_records"]
    states = [each["event_state"] for each in record["consent_events"]]
    assert states == ["consent_given", "consent_withdrawn"]
    assert record["consent_events"][-1]["fact"] == record["record_id"]


async def test_who_decided_nothing_gets_an_empty_one_and_strangers_none(api: Api) -> None:
    await api.send("/v1/page", {"userId": "bob"})
    await api.settle()
    assert (await receipt(api, "user_id:bob"))["receipt"]["consent_records"] == []
    assert (await api.call("GET", "/consent/user_id:eve/receipt")).status_code == 404


async def test_anybody_can_check_it_with_the_public_key(api: Api) -> None:
    await decide(api, "granted")
    await api.settle()
    made = await receipt(api)
    (jwk,) = (await api.get("/consent/receipts/keys"))["keys"]  # type: ignore[misc]
    head, payload, signature = made["signed"].split(".")
    assert json.loads(decoded(head))["kid"] == jwk["kid"]  # type: ignore[index]
    public = Ed25519PublicKey.from_public_bytes(decoded(jwk["x"]))  # type: ignore[index]
    public.verify(decoded(signature), f"{head}.{payload}".encode())
    assert json.loads(decoded(payload)) == made["receipt"]


async def test_we_check_it_too_and_its_facts_against_the_chain(api: Api) -> None:
    fact = (await decide(api, "granted"))["fact"]
    await api.settle()
    made = await receipt(api)
    assert await checked(api, made["signed"]) == {
        "valid": True,
        "receipt": made["receipt"],
        "unmatched": [],
    }
    forged = made["signed"][:-4] + "AAAA"
    assert await checked(api, forged) == {"valid": False, "receipt": None, "unmatched": []}
    async with api.instance.core.database.transaction() as connection:
        await connection.execute(FORGED)
    assert (await checked(api, made["signed"]))["unmatched"] == [fact]


async def test_before_it_is_chained_a_fact_has_no_link_yet(api: Api) -> None:
    await api.send("/v1/identify", {"userId": "ada", "traits": {"email": "ada@example.com"}})
    await api.settle()
    await decide(api, "granted")
    assert await link(api) is None
    await api.settle()
    assert "/" in (await link(api)).partition(":")[0]


async def link(api: Api) -> Any:
    (record,) = (await receipt(api))["receipt"]["consent_records"]
    (event,) = record["consent_events"]
    return event["link"]


async def test_a_body_that_is_none_is_told_what_it_lacks(api: Api) -> None:
    answer = await api.call("POST", "/consent/receipts/verify", json={})
    assert (answer.status_code, "signed" in answer.text) == (400, True)


async def test_it_tells_law_notice_and_validity(api: Api) -> None:
    words = {"title": "E-mails", "text": "About what is new."}
    await api.put("/consent/notices/2026-01", {"texts": {"en": words}})
    purpose = {"name": "E-mails", "validity_days": 30, "channels": ["email"]}
    await api.put(f"/consent/purposes/{PURPOSE}", purpose)
    await decide(api, "granted", jurisdiction="DE", notice="2026-01")
    await api.settle()
    (record,) = (await receipt(api))["receipt"]["consent_records"]
    processing = record["pii_processing"]
    text = hashlib.sha256(b"E-mails\nAbout what is new.").hexdigest()
    assert processing["privacy_notice"] == {"version": "2026-01", "text_hashes": {"en": text}}
    assert processing["language"] == "en"
    (told,) = processing["purposes"]
    assert (told["lawful_basis"], told["jurisdiction"]) == ("consent", "DE")
    assert [each["validity_duration"] for each in record["consent_events"]] == ["P30D"]
    history: Any = (await api.get("/consent/email:ada@example.com"))["history"]
    assert history[0]["notice_hashes"] == {"en": text}


async def test_a_yes_that_has_ended_says_so(api: Api) -> None:
    await api.put(f"/consent/purposes/{PURPOSE}", {"name": "E-mails", "validity_days": 30})
    given = times.now() - 40 * DAY
    await decide(api, "granted", at=times.iso(given))
    await api.settle()
    (record,) = (await receipt(api))["receipt"]["consent_records"]
    states = [(each["event_state"], each["event_time"]) for each in record["consent_events"]]
    ended = times.iso(given + 30 * DAY)
    assert states == [("consent_given", times.iso(given)), ("consent_expired", ended)]
