"""The order in which facts arrive, how often, and in what portions, makes no difference.

A stream of calls goes in once as it came, and once shuffled, partly repeated and split anyhow;
identity, consent, fragments, profiles and memberships come out byte-identical, and equal to a
replay of the log.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cdp import digest, main, times
from cdp.digest import Digest
from cdp.replay import until_quiet
from tests.support.instances import Api, api_on, instance_on
from tests.support.stores import Stores

DAY = 86_400 * times.SECOND
START = times.now() - 40 * DAY
PEOPLE, DEVICES = [f"u{n}" for n in range(4)], [f"a{n}" for n in range(4)]
SEGMENTS: dict[str, dict[str, Any]] = {
    "buyers": {"event": "order", "where": [{"property": "revenue", "gt": 20}], "within": "30d"},
    "regulars": {"event": "order", "count": {"gte": 2}, "within": "20d"},
    "lapsed": {
        "all": [{"event": "order"}, {"event": "order", "count": {"eq": 0}, "within": "10d"}]
    },
    "germans": {"any": [{"trait": "country", "eq": "DE"}, {"event": "page", "count": {"gte": 3}}]},
    "reachable": {"not": {"trait": "email", "exists": False}},
}
PURPOSES = {"reachable": "marketing_email", "germans": "personalization"}

maybe_person = st.sampled_from([*PEOPLE, None])
device = st.sampled_from(DEVICES)
instant = st.integers(0, 39 * 24).map(lambda hour: times.iso(START + hour * DAY // 24))
consent = st.one_of(
    st.just({}),
    st.dictionaries(
        st.sampled_from(["Functional", "marketing_email"]), st.booleans(), min_size=1
    ).map(lambda stamp: {"consent": {"categoryPreferences": stamp}}),
)
call = st.one_of(
    st.fixed_dictionaries(
        {
            "type": st.just("track"),
            "event": st.just("order"),
            "properties": st.fixed_dictionaries({"revenue": st.integers(1, 40)}),
        }
    ),
    st.fixed_dictionaries({"type": st.just("page")}),
    st.fixed_dictionaries(
        {
            "type": st.just("identify"),
            "traits": st.fixed_dictionaries(
                {"country": st.sampled_from(["DE", "AT", None])},
                optional={"email": st.sampled_from(["a@x.de", "b@x.de", "c@x.de"])},
            ),
        }
    ),
    st.fixed_dictionaries(
        {
            "type": st.just("group"),
            "groupId": st.sampled_from(["g", "h"]),
            "traits": st.fixed_dictionaries({"size": st.integers(1, 9)}),
        }
    ),
    st.fixed_dictionaries(
        {"type": st.just("alias"), "previousId": st.sampled_from([*PEOPLE, *DEVICES])}
    ),
)
message = st.builds(
    lambda call, user, anonymous, at, context: (
        call | {"userId": user, "anonymousId": anonymous, "timestamp": at, "context": context}
    ),
    call,
    maybe_person,
    device,
    instant,
    consent,
)


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[list[dict[str, Any]]]]:
    """Calls as they came, and the same in other portions, in other order, with repetitions."""
    calls = draw(st.lists(message, min_size=1, max_size=25))
    for number, each in enumerate(calls):
        each["messageId"] = f"m{number}"
    again = calls + draw(st.lists(st.sampled_from(calls), max_size=8))
    shuffled = draw(st.permutations(again))
    cuts = sorted(draw(st.lists(st.integers(0, len(shuffled)), max_size=4)))
    edges = [0, *cuts, len(shuffled)]
    portions = [list(shuffled[a:b]) for a, b in itertools.pairwise(edges) if a < b]
    return calls, portions


async def outcome(
    stores: Stores, data_dir: Path, portions: Sequence[list[dict[str, Any]]]
) -> tuple[list[Digest], list[Any]]:
    """What a fresh instance makes of these portions: digests, and profiles as the API has them."""
    running = stores.fresh()
    async with instance_on(running, data_dir) as instance, api_on(instance) as api:
        for key, where in SEGMENTS.items():
            purpose = PURPOSES.get(key, "analytics")
            await api.put(f"/segments/{key}", {"name": key, "purpose": purpose, "where": where})
        for portion in portions:
            answer = await api.send("/v1/batch", {"batch": portion})
            assert answer.status_code == 200, answer.text
            await api.settle()
        async with main.replaying(instance.settings, running) as replay:
            comparisons = await until_quiet(replay)
        assert all(comparison.equal for comparison in comparisons), comparisons
        async with instance.core.database.snapshot() as connection:
            digests = await digest.all_of(connection, instance.core.keyring)
        return digests, [await shown(api, ref) for ref in refs()]


def refs() -> list[str]:
    return [f"user_id:{name}" for name in PEOPLE] + [f"anonymous_id:{name}" for name in DEVICES]


async def shown(api: Api, ref: str) -> tuple[int, Any]:
    answer = await api.call("GET", f"/profiles/{ref}")
    return answer.status_code, answer.json()


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(streams())
async def test_any_order_any_repetition_any_portions(
    stores: Stores,
    tmp_path: Path,
    stream: tuple[list[dict[str, Any]], list[list[dict[str, Any]]]],
) -> None:
    as_it_came, anyhow = stream
    expected = await outcome(stores, tmp_path, [as_it_came])
    assert await outcome(stores, tmp_path, anyhow) == expected
