"""A purpose that goes by several channels can be decided on channel by channel."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from activation.model import Destination, Entry, plan
from cdp.delivery.permits import permit
from consent.model import Decision
from consent.purposes import DAY, Purpose, by_channel
from consent.stamps import signal_of
from consent.standing import Ground, Standing, Told, standing

NOW = 1_000 * DAY
NEWS = Purpose("news-letter", "News", "denied", ("news",), channels=("email", "push"))
KEYS = ("news-letter", "news-letter.email", "news-letter.push")


def stands(*said: tuple[str, bool]) -> Mapping[str, Standing]:
    """How somebody stands who said these things one after the other."""
    told = [
        Decision(signal_of(key), "granted" if yes else "denied", NOW + number, b"", "api")
        for number, (key, yes) in enumerate(said)
    ]
    return standing(Ground(by_channel(NEWS), "", NOW), [[Told(told)]])


def states(*said: tuple[str, bool]) -> list[str]:
    return [stands(*said)[key].state for key in KEYS]


def test_a_channel_is_decided_on_by_itself() -> None:
    assert states(("news-letter.email", True)) == ["denied", "granted", "denied"]
    assert states(("news-letter", True)) == ["granted"] * 3


def test_a_word_on_the_whole_reaches_every_channel_and_the_later_counts() -> None:
    assert states(("news-letter.email", True), ("news-letter", False)) == ["denied"] * 3
    assert states(("news", True), ("news-letter.push", False)) == ["granted", "granted", "denied"]


@given(st.lists(st.tuples(st.sampled_from(KEYS), st.booleans()), max_size=8))
def test_the_last_that_is_about_a_channel_decides(said: list[tuple[str, bool]]) -> None:
    for key in KEYS[1:]:
        about = [yes for named, yes in said if named in {key, "news-letter"}]
        assert (stands(*said)[key].state == "granted") is bool(about and about[-1])


def test_one_channel_is_the_purpose_itself() -> None:
    alone = NEWS._replace(channels=("email",))
    assert by_channel(alone) == [alone]


def test_a_destination_needs_the_purpose_for_what_it_sends_by() -> None:
    entry = Entry(1, "buyers", "news-letter", b"p", "entered", NOW)
    mail = Destination("mail", "webhook", {"url": "https://example.com"}, channel="email")
    (delivery,) = plan([entry], [mail])
    assert delivery.purpose == "news-letter.email"
    given = permit(delivery.purpose, stands(("news-letter", True), ("news-letter.email", False)))
    assert (given.granted, given.cite["purpose"]) == (False, "news-letter.email")
    undivided = standing(Ground([NEWS._replace(channels=())], "", NOW), [])
    given = permit(delivery.purpose, undivided)
    assert (given.granted, given.cite["purpose"]) == (False, "news-letter")
    (left,) = plan([entry._replace(kind="left")], [mail])
    assert left.purpose == "necessary"
