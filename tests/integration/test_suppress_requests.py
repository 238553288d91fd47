"""Suppressing a person by request: at once for the name that was given, then for all of theirs."""

from __future__ import annotations

from cdp.evidence.signing import Signer
from cdp.privacy.model import RECEIPT
from tests.conftest import Api
from tests.support.collected import stored
from tests.support.privacy import ask, done

ADA = "email:ada@example.com"


async def names(api: Api) -> list[str]:
    """Whom the events in the log are of, as far as they can be read."""
    return sorted(event.user_id or event.anonymous_id for event in await stored(api))


async def ada_lives(api: Api) -> None:
    traits = {"email": "ada@example.com"}
    await api.send("/v1/identify", {"userId": "ada", "anonymousId": "phone", "traits": traits})
    await api.settle()


async def test_the_name_that_was_given_counts_at_once_and_the_others_soon(api: Api) -> None:
    await ada_lives(api)
    asked = await ask(api, "suppress", "user_id:ada")
    assert asked["status"] == "received"
    await api.send("/v1/page", {"userId": "ada"})
    await api.send("/v1/page", {"anonymousId": "phone"})  # not known to be hers yet
    assert await names(api) == ["ada", "phone"]
    found = await done(api, "suppress", "user_id:ada")
    assert (found["id"], found["subjects"]) == (asked["id"], 3)
    assert found["result"]["rows"] == {"suppressions": 2}
    for call in (
        {"anonymousId": "phone"},
        {"userId": "eve", "context": {"traits": {"email": "ada@example.com"}}},
    ):
        assert (await api.send("/v1/page", call)).is_success
    assert await names(api) == ["ada", "phone"]
    told = Signer(api.instance.core.vault.receipt_key(), RECEIPT).open(found["receipt"])
    assert told is not None
    assert (told["type"], told["subjects"]) == ("suppression", 3)


async def test_who_was_erased_too_stays_out_by_all_their_names_until_it_is_lifted(api: Api) -> None:
    await ada_lives(api)
    await done(api, "suppress", ADA)
    await done(api, "erase", ADA)
    for call in ({"userId": "ada"}, {"anonymousId": "phone"}):
        await api.send("/v1/page", call)
    assert await names(api) == []
    lifted = await done(api, "unsuppress", "anonymous_id:phone")  # the graph knows of no others now
    assert (lifted["subjects"], lifted["result"]["rows"]) == (3, {"suppressions": 3})
    for call in ({"userId": "ada"}, {"anonymousId": "phone"}):
        await api.send("/v1/page", call)
    assert await names(api) == ["ada", "phone"]
