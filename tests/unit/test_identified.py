"""Identifiers that are read alone are those that a whole profile has."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from profiles import fragment, identified
from profiles.fragment import Fragment, Stamped, has_happened
from profiles.model import join

_TEXT = st.text("abc", min_size=1, max_size=2)
_IDENTIFIERS = st.dictionaries(
    st.sampled_from(["user_id", "email", "anonymous_id"]),
    st.dictionaries(_TEXT, st.integers(0, 3), max_size=3),
)
_STAMPED = st.dictionaries(st.sampled_from(["ads", "ads sale"]), st.builds(Stamped, _IDENTIFIERS))
_FRAGMENTS = st.builds(
    Fragment,
    identifiers=_IDENTIFIERS,
    traits=st.just({"email": (1, b"e" * 16, "a@example.com")}),
    first_seen=st.integers(0, 1),
    stamped=_STAMPED,
)


def hashed(namespace: str, value: str) -> bytes:
    return hashlib.blake2b(f"{namespace}:{value}".encode(), digest_size=16).digest()


@given(st.lists(_FRAGMENTS, min_size=1, max_size=3), st.data())
def test_identifiers_alone_are_those_of_the_whole(
    made: list[Fragment], data: st.DataObject
) -> None:
    there = sorted(
        {
            (namespace, value)
            for each in made
            for part in fragment.parts(each)
            for namespace, values in part.identifiers.items()
            for value in values
        }
    )
    mine = set(data.draw(st.lists(st.sampled_from(there), unique=True))) if there else set()
    ids = b"".join(hashed(*each) for each in sorted(mine))
    read = [identified.decode(fragment.encode(each)) for each in made]
    found = identified.identifiers(read, ids, hashed)
    if not any(map(has_happened, made)):
        assert found is None
    else:
        fragments = {number.to_bytes(16): each for number, each in enumerate(made)}
        whole = join(fragments, lambda namespace, value: (namespace, value) in mine)
        assert found == whole.identifiers
        assert list(found) == list(whole.identifiers)
