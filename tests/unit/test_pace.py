"""Topics are fetched from when they grew, and small chunks are followed by a rest."""

from __future__ import annotations

from cdp.stream.pace import REST_SECONDS, Pace


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_topic_is_due_when_it_grew_until_it_is_drained() -> None:
    pace = Pace(Clock())
    assert pace.due(["a", "b"]) == []
    pace.grew(["b", "a", "c"])
    assert pace.due(["a", "b"]) == ["a", "b"]
    pace.drained("a")
    assert pace.due(["a", "b"]) == ["b"]
    pace.grew(["a"])
    assert pace.due(["a", "b"]) == ["a", "b"]


def test_after_a_full_chunk_there_is_no_rest() -> None:
    pace = Pace(Clock())
    pace.grew(["a"])
    pace.took("a", full=True)
    assert pace.due(["a"]) == ["a"]


def test_after_a_small_chunk_a_topic_rests_and_others_do_not() -> None:
    clock = Clock()
    pace = Pace(clock)
    pace.grew(["a", "b"])
    pace.took("a", full=False)
    assert pace.due(["a", "b"]) == ["b"]
    assert 0 < pace.wait() <= REST_SECONDS * 1.001
    clock.now += REST_SECONDS * 1.001
    assert pace.due(["a", "b"]) == ["a", "b"]


def test_what_took_little_is_followed_by_a_short_rest() -> None:
    clock = Clock()
    pace = Pace(clock)
    pace.grew(["a"])
    pace.took("a", full=False)
    clock.now += 0.01
    pace.handled("a")
    assert pace.due(["a"]) == []
    assert 0 < pace.wait() <= 0.0201
    clock.now += 0.0201
    assert pace.due(["a"]) == ["a"]


def test_no_rest_is_longer_than_the_longest() -> None:
    clock = Clock()
    pace = Pace(clock)
    pace.grew(["a"])
    pace.took("a", full=False)
    clock.now += 0.9 * REST_SECONDS
    pace.handled("a")
    clock.now += 0.101 * REST_SECONDS
    assert pace.due(["a"]) == ["a"]
    pace.took("a", full=True)
    clock.now += 1.0
    pace.handled("a")
    assert pace.due(["a"]) == ["a"]


def test_nobody_waits_for_the_rest_of_a_topic_that_has_nothing() -> None:
    pace = Pace(Clock())
    pace.grew(["a"])
    pace.took("a", full=False)
    pace.drained("a")
    assert pace.wait() > REST_SECONDS
