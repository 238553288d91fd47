"""Write keys: the form we mint, the five places where SDKs put them, and which place wins."""

from __future__ import annotations

import base64
import re

import pytest

from cdp.collect.keys import hashed, new_api_key, new_write_key, write_keys


def basic(user: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(user.encode()).decode()}


def test_minted_keys_have_the_form_that_every_sdk_accepts() -> None:
    minted = {new_write_key() for _ in range(200)}
    assert len(minted) == 200
    assert all(re.fullmatch(r"c[a-z0-9]{24}", key) for key in minted)
    assert re.fullmatch(r"cdp_[A-Za-z0-9_-]{40}", new_api_key())


def test_of_a_key_only_a_hash_is_kept() -> None:
    assert len(hashed("key")) == 32
    assert hashed("key") == hashed("key") != hashed("Key")
    assert len(hashed("\ud800")) == 32  # whatever a client sends


def test_every_place_and_which_comes_first() -> None:
    headers = {**basic("basic:"), "x-write-key": "header"}
    bearer = {"authorization": "Bearer bearer"}
    assert write_keys("body", headers, "query") == ["body"]
    assert write_keys(None, headers, "query") == ["basic"]
    assert write_keys(None, {**bearer, "x-write-key": "header"}, "query") == ["header"]
    assert write_keys(None, bearer, "query") == ["bearer"]
    assert write_keys(None, {}, "query") == ["query"]
    assert write_keys(None, {}, None) == []


@pytest.mark.parametrize("masked", ["***", "id:***", "", None, 5, True, ["key"], {"key": 1}])
def test_a_masked_or_impossible_key_in_the_body_is_no_key(masked: object) -> None:
    assert write_keys(masked, {"x-write-key": "header"}, None) == ["header"]
    assert write_keys(masked, {}, None) == []


@pytest.mark.parametrize(
    ("sent", "readings"),
    [
        ("key", ["key"]),
        ("key:", ["key"]),
        ("key:any password", ["key:any password", "key"]),
        ("id:secret", ["id:secret", "id"]),
        ("id:secret:", ["id:secret", "id"]),
        ("id:secret:password", ["id:secret:password", "id:secret", "id"]),
        ("key::", ["key:", "key"]),
        ("schl\u00fcssel:", ["schl\u00fcssel"]),
    ],
)
def test_a_basic_user_name_with_any_password(sent: str, readings: list[str]) -> None:
    assert write_keys(None, basic(sent), None) == readings


@pytest.mark.parametrize(
    "authorization",
    [
        *("Basic", "Basic ", "Basic %%%", "Basic OnBhc3N3b3Jk", "Basic Og==", "Basic /w=="),
        *("Bearer", "Bearer ", "Bearer  ", "Basic \u00fc", "Digest x"),
    ],
)
def test_a_header_without_a_key_leaves_the_search_open(authorization: str) -> None:
    assert write_keys(None, {"authorization": authorization}, "query") == ["query"]


def test_schemes_are_case_insensitive() -> None:
    assert write_keys(None, {"authorization": "bearer  key "}, None) == ["key"]
    assert write_keys(None, {"authorization": basic("key:")["authorization"].upper()}, None) != []
    lower = basic("key:")["authorization"].replace("Basic", "basic")
    assert write_keys(None, {"authorization": lower}, None) == ["key"]
