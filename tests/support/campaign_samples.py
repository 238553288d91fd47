"""Campaigns, paces and people as they may come, drawn at random."""

from __future__ import annotations

import operator
import uuid
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from tests.support.campaign_rig import CHANNELS
from tests.support.slow_campaigns import World
from tests.support.slow_clocks import MINUTE, UNITS

PEOPLE = tuple(uuid.UUID(int=number).bytes for number in range(4))
ZONES = (
    *("UTC", "Europe/Berlin", "Europe/London", "America/New_York", "America/Los_Angeles"),
    *("America/Sao_Paulo", "America/St_Johns", "Asia/Kolkata", "Asia/Kathmandu", "Asia/Tokyo"),
    *("Australia/Lord_Howe", "Pacific/Auckland", "Pacific/Kiritimati", "Africa/Casablanca"),
)
NIGHTS = ((2026, 3, 8, 0), (2026, 3, 29, 0), (2026, 10, 4, 0), (2026, 10, 25, 0), (2026, 11, 1, 0))
STARTS = [
    int(datetime(*night, tzinfo=ZoneInfo("UTC")).timestamp()) * 1_000_000 - UNITS["d"]
    for night in NIGHTS
]
SEGMENTS, EVENTS = ("s0", "s1"), ("Order", "Seen")
CLOCK = st.sampled_from(["00:00", "02:30", "03:00", "08:00", "18:30", "21:00", "23:30"])
SEND = st.fixed_dictionaries(
    {"template": st.just("t"), "channels": st.permutations(CHANNELS)},
    optional={"timing": CLOCK},
).map(lambda send: {"send": send})
STEP = st.one_of(
    SEND,
    st.sampled_from(["30m", "3h", "1d"]).map(lambda wait: {"wait": wait}),
    st.builds(
        lambda segment, then, other: {"if": segment, "then": then, "else": other},
        st.sampled_from(SEGMENTS),
        st.lists(SEND, max_size=1),
        st.lists(SEND, min_size=1, max_size=2),
    ),
)
TRIGGER = st.one_of(
    st.builds(
        lambda s, on: {"segment": s, "on": on},
        st.sampled_from(SEGMENTS),
        st.sampled_from(["entered", "left"]),
    ),
    st.sampled_from(EVENTS).map(lambda event: {"event": event}),
)
CAMPAIGN = st.fixed_dictionaries(
    {
        "name": st.just("C"),
        "trigger": TRIGGER,
        "purpose": st.sampled_from(["news", "news", "news", "necessary"]),
        "steps": st.lists(STEP, min_size=1, max_size=3),
    },
    optional={"goal": st.just({"event": "Seen", "within": "2d"})},
)
USUALLY = {  # what keeps people out of campaigns is the exception
    "audience": ["", "", "", "", "", "s0"],
    "exclude": ["", "", "", "s1"],
    "holdout": [0, 0, 0, 0.5],
    "again": ["1h", "1h", "1d", "1w"],
    "priority": [0, 0, 1, -1],
}
RULES = st.fixed_dictionaries({name: st.sampled_from(each) for name, each in USUALLY.items()})
CAMPAIGNS = st.lists(st.builds(operator.or_, CAMPAIGN, RULES), min_size=2, max_size=3)
CAP = st.fixed_dictionaries(
    {"limit": st.integers(0, 2), "window": st.sampled_from(["3h", "1d", "7d"])},
    optional={
        "channel": st.sampled_from(["email", "push"]),
        "purpose": st.just("news"),
        "over": st.sampled_from(["drop", "wait"]),
    },
)
QUIET = st.fixed_dictionaries(
    {"from": CLOCK, "to": CLOCK}, optional={"channels": st.just(["push"])}
)


def some_time_is_left(pacing: dict[str, Any]) -> bool:
    """Whether there is a minute of the day without quiet hours."""
    world = World({}, 0, pacing)
    return not all(world.is_quiet("push", "UTC", each * MINUTE) for each in range(1440))


PACING = st.fixed_dictionaries(
    {},
    optional={
        "caps": st.lists(CAP, min_size=1, max_size=2),
        "quiet_hours": st.lists(QUIET, max_size=2),
        "patience": st.sampled_from(["6h", "2d"]),
    },
).filter(some_time_is_left)
WHO = st.sampled_from(PEOPLE)
LONG = st.sampled_from(["1m", "30m", "1h", "3h", "8h", "1d"])
# Which tries of a round come to nothing.
FAILS = st.sampled_from([frozenset[int](), frozenset({0}), frozenset(range(9))])
