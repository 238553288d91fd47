"""Nothing opens without its key, in another place, or altered; hashes say nothing without one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdp.errors import Unreadable
from cdp.events import SCHEMA, Event
from cdp.log.codec import plain_event, unpack_event
from cdp.log.vault import Kept, Seal, Vault

VAULT, OTHER = Vault(b"\x01" * 32), Vault(b"\x02" * 32)
SUBJECT = VAULT.subject("user_id", "ada")
SEAL = VAULT.unwrap(SUBJECT, VAULT.new_key(SUBJECT))


@given(st.binary(max_size=200), st.binary(max_size=20))
def test_what_is_sealed_opens_to_the_same(plain: bytes, context: bytes) -> None:
    assert SEAL.open(SEAL.seal(plain, context), context) == plain
    assert SEAL.unpack(SEAL.pack(plain, context), context) == plain


def test_sealing_twice_looks_different_and_shows_nothing() -> None:
    first, second = SEAL.pack(b"grace@example.com", b""), SEAL.pack(b"grace@example.com", b"")
    assert first != second
    assert b"grace" not in first + second


@pytest.mark.parametrize("place", [0, 11, 12, -1])
def test_altered_bytes_do_not_open(place: int) -> None:
    sealed = bytearray(SEAL.seal(b"plain", b"here"))
    sealed[place] ^= 1
    with pytest.raises(Unreadable):
        SEAL.open(bytes(sealed), b"here")


@pytest.mark.parametrize("sealed", [b"", b"short", b"x" * 12, b"x" * 28])
def test_what_was_never_sealed_does_not_open(sealed: bytes) -> None:
    with pytest.raises(Unreadable):
        SEAL.open(sealed, b"")


def test_another_key_or_place_does_not_open() -> None:
    sealed = SEAL.seal(b"plain", b"here")
    stranger = VAULT.unwrap(SUBJECT, VAULT.new_key(SUBJECT))
    for seal, context in ((stranger, b"here"), (SEAL, b"there"), (VAULT.system, b"here")):
        with pytest.raises(Unreadable):
            seal.open(sealed, context)


def test_a_data_key_is_bound_to_its_subject_and_master_key() -> None:
    wrapped = VAULT.new_key(SUBJECT)
    assert len({wrapped, VAULT.new_key(SUBJECT)}) == 2
    with pytest.raises(Unreadable):
        VAULT.unwrap(VAULT.subject("user_id", "bob"), wrapped)
    with pytest.raises(Unreadable):
        OTHER.unwrap(SUBJECT, wrapped)


def test_lookups_depend_on_the_master_key_and_keep_names_apart() -> None:
    assert len(SUBJECT) == 16
    assert Vault(b"\x01" * 32).subject("user_id", "ada") == SUBJECT
    others = {
        OTHER.subject("user_id", "ada"),
        VAULT.subject("user_id", "Ada"),
        VAULT.subject("anonymous_id", "ada"),
        VAULT.subject("user_ida", "da"),
    }
    assert len(others | {SUBJECT}) == 5
    assert VAULT.check != OTHER.check


def test_an_event_opens_only_as_itself() -> None:
    event = Event(SCHEMA, "track", b"i" * 16, 1, "m", 5, 6, "Bought", properties={"a": [1, None]})
    payload = SEAL.seal(plain_event(event), event.id)
    assert unpack_event(event.id, payload, SEAL) == event
    with pytest.raises(Unreadable):
        unpack_event(b"j" * 16, payload, SEAL)


OLD, NEW = b"\x01" * 32, b"\x03" * 32


def test_hashes_and_signatures_outlive_the_master_key() -> None:
    after = Vault(NEW, kept=Kept.opened(VAULT.handed_over(NEW), NEW))
    assert after.subject("user_id", "ada") == SUBJECT
    assert after.sign(b"x") == VAULT.sign(b"x") != OTHER.sign(b"x")
    assert after.attest(b"x") == VAULT.attest(b"x") != OTHER.attest(b"x")
    assert after.receipt_key() == VAULT.receipt_key() != OTHER.receipt_key()
    assert after.lasting.open(VAULT.lasting.seal(b"x", b""), b"") == b"x"
    assert after.check != VAULT.check
    with pytest.raises(Unreadable):
        Kept.opened(VAULT.handed_over(NEW), OLD)


@pytest.mark.parametrize("name", ["wraps", "system", "links"])
def test_what_was_sealed_opens_after_a_change_until_all_is_moved(name: str) -> None:
    def seal(vault: Vault) -> Seal:
        return getattr(vault, name)

    kept = Kept.opened(VAULT.handed_over(NEW), NEW)
    before, both, after = VAULT, Vault(OLD, NEW), Vault(NEW, kept=kept)
    sealed = seal(before).seal(b"x", b"")
    assert seal(after).open(sealed, b"") == seal(both).open(sealed, b"") == b"x"
    assert seal(both).open(seal(after).seal(b"x", b""), b"") == b"x"
    with pytest.raises(Unreadable):
        seal(before).open(seal(after).seal(b"x", b""), b"")
    moved = Vault(NEW, kept=kept.moved(end_links=True))
    with pytest.raises(Unreadable):
        seal(moved).open(sealed, b"")
    renewed = seal(after).moved(sealed, b"")
    assert renewed is not None
    assert seal(moved).open(renewed, b"") == b"x"
    assert seal(after).moved(renewed, b"") is None
    with pytest.raises(Unreadable):
        seal(after).moved(b"never sealed" * 3, b"")


def test_links_may_outlive_a_change() -> None:
    kept = Kept.opened(VAULT.handed_over(NEW), NEW).moved(end_links=False)
    assert Vault(NEW, kept=kept).links.open(VAULT.links.seal(b"x", b""), b"") == b"x"


def test_a_process_with_both_keys_seals_with_the_one_in_force() -> None:
    sealed = Vault(OLD, NEW).system.seal(b"x", b"")
    assert VAULT.system.open(sealed, b"") == b"x"
