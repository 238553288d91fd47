"""Links of the preference centre: one click to leave, a yes that is confirmed, tokens."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdp import times
from cdp.errors import NotFound
from cdp.events import Identifier
from cdp.log.vault import Vault
from cdp.preferences import token
from tests.conftest import Api
from tests.support.preferences import (
    ADA,
    facts,
    mint,
    opt_in,
    path,
    post,
    state,
)


def bodies() -> list[tuple[str, bytes]]:
    parts = (
        b'--x\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--x--'
    )
    return [
        ("application/x-www-form-urlencoded", b"List-Unsubscribe=One-Click"),
        ("multipart/form-data; boundary=x", parts + b"\r\n"),
        ('multipart/form-data; boundary="x"', b"preamble\r\n" + parts),
    ]


@pytest.mark.parametrize(("kind", "body"), bodies())
async def test_one_click_unsubscribes_without_cookie_or_redirect(
    api: Api, kind: str, body: bytes
) -> None:
    await api.put(f"/consent/{ADA}", {"purpose": "marketing_email", "state": "granted"})
    links = await mint(api, delivery="d-9")
    assert links["headers"]["List-Unsubscribe"] == f"<{links['unsubscribe_url']}>"
    assert links["headers"]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    where = path(links["unsubscribe_url"])
    for answer in (await api.client.get(where), await api.client.head(where)):
        assert answer.status_code == 200
    assert (await state(api))["state"]["marketing_email"] == "granted"
    for _ in range(2):
        answer = await api.client.post(where, content=body, headers={"content-type": kind})
        assert answer.status_code == 200
        assert "set-cookie" not in answer.headers
        assert "You are unsubscribed" in answer.text
    found = await state(api)
    assert found["state"]["marketing_email"] == "denied"
    assert found["state"]["analytics"] == "granted"
    said = found["history"][-1]
    assert len(found["history"]) == 2
    assert "one click (RFC 8058) in delivery d-9" in said["proof"]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/x-www-form-urlencoded", b""),
        ("application/x-www-form-urlencoded", b"List-Unsubscribe=Two-Clicks"),
        ("application/x-www-form-urlencoded", b"\xff\xfe" + b"&a=b" * 2000),
        ("multipart/form-data", b"List-Unsubscribe=One-Click"),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\n\r\n--x--"),
    ],
)
async def test_a_post_that_says_something_else_does_not(api: Api, kind: str, body: bytes) -> None:
    where = path((await mint(api))["unsubscribe_url"])
    answer = await api.client.post(where, content=body, headers={"content-type": kind})
    assert (answer.status_code, answer.headers["content-type"]) == (400, "text/html; charset=utf-8")
    assert await facts(api) == 0


# --- double opt-in ---------------------------------------------------------------------------


async def test_a_yes_counts_once_it_is_confirmed_and_only_once(api: Api) -> None:
    asked = await opt_in(api, jurisdiction="DE", notice="v3")
    where = path(asked["url"])
    assert await facts(api) == 0
    for answer in (await api.client.get(where), await api.client.head(where)):
        assert answer.status_code == 200
    assert (await state(api))["state"]["marketing_email"] == "denied"
    for _ in range(2):
        answer = await post(api, where, [("confirm", "yes")])
        assert answer.status_code == 303
    assert "Your subscription is confirmed." in (await api.client.get(where)).text
    found = await state(api)
    assert found["state"]["marketing_email"] == "granted"
    (said,) = found["history"]
    assert (said["jurisdiction"], said["notice"]) == ("DE", "v3")
    for part in (asked["asked_at"], asked["fact"], "https://shop.example/newsletter"):
        assert part in said["proof"]
    await api.put(f"/consent/{ADA}", {"purpose": "marketing_email", "state": "denied"})
    await post(api, where, [("confirm", "yes")])
    assert (await state(api))["state"]["marketing_email"] == "denied"
    assert "turned off since" in (await api.client.get(where)).text


async def test_only_the_button_confirms(api: Api) -> None:
    where = path((await opt_in(api))["url"])
    assert (await post(api, where, [])).status_code == 400
    assert (await api.client.get(f"{where}?confirm=yes")).status_code == 200
    assert (await state(api))["state"]["marketing_email"] == "denied"


async def test_what_was_asked_by_somebody_who_was_erased_cannot_be_confirmed(api: Api) -> None:
    where = path((await opt_in(api))["url"])
    core = api.instance.core
    subject = core.vault.subject("email", "ada@example.com")
    async with core.database.driver() as connection:
        await connection.execute("delete from subjects where id = %s", [subject])
    core.keyring.forget_all()
    assert (await post(api, where, [("confirm", "yes")])).status_code == 410


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"identifier": "user_id:7", "source": "x"}, "Must be an e-mail address"),
        ({"identifier": ADA}, "source"),
        ({"identifier": ADA, "source": "x", "purpose": "necessary"}, "nobody is asked"),
        ({"identifier": ADA, "source": "x", "purpose": "mail"}, "purpose: unknown"),
        ({"identifier": ADA, "source": "x", "days": 31}, "days"),
        ({"identifier": "ada", "source": "x"}, "Must be an e-mail address"),
    ],
)
async def test_what_is_wrong_with_an_opt_in_is_said(api: Api, body: Any, told: str) -> None:
    answer = await api.call("POST", "/preferences/opt-in", json=body)
    assert answer.status_code == 400
    assert told in answer.json()["detail"]


# --- tokens ----------------------------------------------------------------------------------


async def test_links_that_were_taken_back_open_nothing(api: Api) -> None:
    old, other = await mint(api), await mint(api, "email:bob@example.com")
    ref = f"/preferences/links/{ADA}"
    assert (await api.call("DELETE", f"{ref}?scope=preferences")).status_code == 204
    assert (await api.client.get(path(old["url"]))).status_code == 410
    assert (await api.client.get(path(old["unsubscribe_url"]))).status_code == 200
    assert (await api.call("DELETE", ref)).status_code == 204
    assert (await api.client.get(path(old["unsubscribe_url"]))).status_code == 410
    assert (await api.client.get(path(other["url"]))).status_code == 200
    assert (await api.client.get(path((await mint(api))["url"]))).status_code == 200
    assert (await api.call("DELETE", f"{ref}?scope=all")).status_code == 400
    assert (await api.call("DELETE", "/preferences/links/nobody")).status_code == 400


def link_of(api: Api, scope: token.Scope, **ends: int) -> str:
    now = times.now()
    ends_at = now + ends.get("seconds", 60) * times.SECOND
    made = token.new(Identifier("email", "ada@example.com"), now, ends_at, purpose="analytics")
    return token.sealed(made, scope, api.instance.core.vault.links)


PATHS = {"preferences": "", "unsubscribe": "unsubscribe/", "confirm": "confirm/"}


@pytest.mark.parametrize("scope", token.SCOPES)
async def test_a_token_opens_its_own_door_until_it_expires(api: Api, scope: token.Scope) -> None:
    whole = link_of(api, scope)
    for other, where in PATHS.items():
        answer = await api.client.get(f"/preferences/{where}{whole}")
        assert answer.status_code == (200 if other == scope else 404)
    late = await api.client.get(f"/preferences/{PATHS[scope]}{link_of(api, scope, seconds=0)}")
    assert (late.status_code, "This link has expired" in late.text) == (410, True)
    for method in ("PUT", "POST"):
        if scope == "preferences":
            answer = await api.client.request(method, f"/preferences/{whole[:-1]}", json={})
            assert answer.status_code == 404


VAULT = Vault(bytes(32))
WHOLE = token.sealed(
    token.new(Identifier("email", "ada@example.com"), 0, 1 << 60), "preferences", VAULT.links
)
CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@given(
    st.one_of(
        st.tuples(st.integers(0, len(WHOLE) - 1), st.sampled_from(CHARACTERS)).map(
            lambda at: WHOLE[: at[0]] + at[1] + WHOLE[at[0] + 1 :]
        ),
        st.integers(0, len(WHOLE) - 1).map(lambda end: WHOLE[:end]),
        st.text(max_size=300),
        st.text(CHARACTERS, max_size=300),
        st.text(max_size=10).map(lambda more: WHOLE + more),
        st.sampled_from([WHOLE + "=", WHOLE + "==", " " + WHOLE, WHOLE + "\n", "A" * 100_000]),
    )
)
def test_a_damaged_token_opens_nothing(damaged: str) -> None:
    if damaged == WHOLE:
        assert token.opened(damaged, "preferences", VAULT.links, 1).value == "ada@example.com"
    else:
        with pytest.raises(NotFound):
            token.opened(damaged, "preferences", VAULT.links, 1)


@given(st.text(max_size=40), st.text(min_size=1, max_size=512), st.text(max_size=40))
def test_a_token_says_what_it_was_made_of_and_shows_none_of_it(
    namespace: str, value: str, purpose: str
) -> None:
    made = token.new(Identifier(namespace, value), 5, 9, purpose=purpose)
    text = token.sealed(made, "confirm", VAULT.links)
    assert token.opened(text, "confirm", VAULT.links, 8) == made
    assert set(text) <= set(CHARACTERS)
    assert len(text) <= token.LONGEST


# --- the pages as such -----------------------------------------------------------------------
