"""What breaks identity elsewhere, told through the front door; a replay agrees after each."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.platform import Platform

CROWD = 5_000
DEVICES = 300


class Story:
    """Sends calls of people whose names nobody else has, and asks about them."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.mark = uuid.uuid4().hex[:8]

    def name(self, name: str) -> str:
        """A name of this story's own."""
        return f"{self.mark}-{name}"

    def mail(self, name: str) -> str:
        """An address of this story's own."""
        return f"{name}@{self.mark}.example"

    def tell(self, *calls: dict[str, Any]) -> None:
        """Send calls, and see all of them handled."""
        for at in range(0, len(calls), 1000):
            answer = self.platform.send("/v1/batch", {"batch": calls[at : at + 1000]})
            assert answer.status_code == 200, answer.text
        self.platform.wait_quiet()

    def profile(self, ref: str) -> dict[str, Any]:
        return self.platform.profile(ref)

    def rule(self, word: str, a: str, b: str) -> None:
        """An operator's word on two."""
        body = {"a": a, "b": b, "reason": "they called us", "by": "eve"}
        answer = self.platform.call("POST", f"/identity/{word}", json=body)
        assert answer.status_code == 200, answer.text
        self.platform.wait_quiet()

    def why(self, a: str, b: str) -> dict[str, Any]:
        answer = self.platform.call("GET", "/identity/explain", params={"a": a, "b": b})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def identity(self, ref: str) -> dict[str, Any]:
        answer = self.platform.call("GET", f"/identity/{ref}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


@pytest.fixture
def story(platform: Platform) -> Iterator[Story]:
    yield Story(platform)
    platform.wait_quiet()
    told = platform.command("replay", "--verify")
    assert "DIFFERS" not in told


def identify(user: str, at: datetime | None = None, **more: Any) -> dict[str, Any]:
    return {"type": "identify", "userId": user, "timestamp": _at(at), **more}


def track(event: str, at: datetime | None = None, **who: Any) -> dict[str, Any]:
    return {"type": "track", "event": event, "timestamp": _at(at), **who}


def _at(at: datetime | None) -> str:
    return (at or datetime.now(UTC)).isoformat()


def test_a_reset_that_keeps_the_anonymous_id(story: Story) -> None:
    ada, bob, browser = story.name("ada"), story.name("bob"), story.name("browser")
    now = datetime.now(UTC)
    story.tell(
        identify(ada, now, anonymousId=browser),
        track("Order Completed", now, userId=ada, anonymousId=browser),
        identify(bob, now + timedelta(seconds=1), anonymousId=browser),
        track("Article Read", now, userId=bob, anonymousId=browser),
    )
    assert story.profile(f"user_id:{ada}")["events"] == {"Order Completed": 1}
    assert story.profile(f"user_id:{bob}")["events"] == {"Article Read": 1}
    why = story.why(f"user_id:{ada}", f"user_id:{bob}")
    assert why["same"] is False
    assert f"anonymous_id:{browser} and user_id:{bob}" in why["answer"]
    assert "one person has at most 1 user_id" in why["answer"]


def test_two_people_on_one_tablet_for_a_week(story: Story) -> None:
    ada, bob, tablet = story.name("ada"), story.name("bob"), story.name("tablet")
    start = datetime.now(UTC) - timedelta(days=7)
    week = [start + timedelta(days=day, hours=hour) for day in range(7) for hour in (0, 9)]
    calls = []
    for turn, at in enumerate(week):
        user = (ada, bob)[turn % 2]
        calls.append(identify(user, at, anonymousId=tablet))
        calls.append(track("Order Completed", at, userId=user, anonymousId=tablet))
    story.tell(*reversed(calls))
    for user in (ada, bob):
        assert story.profile(f"user_id:{user}")["events"] == {"Order Completed": 7}
    assert story.profile(f"anonymous_id:{tablet}")["identifiers"]["user_id"] == [ada]


def test_a_client_id_that_survives_a_reset(story: Story) -> None:
    ada, bob = story.name("ada"), story.name("bob")
    client = {"externalIds": [{"type": "ga_client_id", "id": story.name("ga")}]}
    now = datetime.now(UTC)
    story.tell(
        identify(ada, now, anonymousId=story.name("1"), context=client),
        identify(bob, now + timedelta(hours=1), anonymousId=story.name("2"), context=client),
    )
    assert story.profile(f"anonymous_id:{story.name('1')}")["identifiers"]["user_id"] == [ada]
    assert story.profile(f"anonymous_id:{story.name('2')}")["identifiers"]["user_id"] == [bob]


def test_a_call_centres_address_on_five_thousand_customers(story: Story) -> None:
    address = story.mail("callcentre")
    customers = [story.name(f"c{number}") for number in range(CROWD)]
    story.tell(*(identify(customer, traits={"email": address}) for customer in customers))
    profiles = {story.profile(f"user_id:{each}")["profile_id"] for each in customers[::500]}
    assert len(profiles) == CROWD // 500
    assert story.profile(f"user_id:{customers[0]}")["identifiers"] == {"user_id": [customers[0]]}
    why = story.why(f"user_id:{customers[0]}", f"user_id:{customers[-1]}")
    assert f"email:{address} is shared by too many" in why["answer"]
    suspects = story.platform.call("GET", "/identity/suspects?limit=1000").json()["suspects"]
    told = {each["a"]: each["reason"] for each in suspects if each["kind"] == "shared"}
    assert told[f"email:{address}"] == f"email:{address} is linked with {CROWD:} others"


def test_a_mistyped_address_corrected_later(story: Story) -> None:
    laptop, bob = story.name("laptop"), story.name("bob")
    now = datetime.now(UTC)
    story.tell(identify(bob, now, traits={"email": story.mail("bob")}))
    story.tell(track("Product Added", anonymousId=laptop))
    story.tell(
        {"type": "identify", "anonymousId": laptop, "traits": {"email": story.mail("bob")}},
        {"type": "identify", "anonymousId": laptop, "traits": {"email": story.mail("rob")}},
    )
    assert story.profile(f"user_id:{bob}")["events"] == {"Product Added": 1}
    story.rule("unlink", f"anonymous_id:{laptop}", f"email:{story.mail('bob')}")
    assert story.profile(f"user_id:{bob}")["events"] == {}
    rob = story.profile(f"email:{story.mail('rob')}")
    assert rob["identifiers"]["anonymous_id"] == [laptop]
    assert rob["events"] == {"Product Added": 1}
    why = story.why(f"anonymous_id:{laptop}", f"user_id:{bob}")
    assert "an operator said that they are not the same" in why["answer"]
    history = story.identity(f"user_id:{bob}")["history"]
    assert [each["kind"] for each in history] == ["split", "merged"]
    assert history[0]["cause"]["type"] == "unlink"


@pytest.mark.parametrize("turned", [False, True])
def test_alias_in_either_direction(story: Story, turned: bool) -> None:
    old, new = story.name("old"), story.name("new")
    pair = {"userId": old, "previousId": new} if turned else {"userId": new, "previousId": old}
    story.tell(
        track("Signed Up", userId=old),
        track("Order Completed", userId=new),
        {"type": "alias", **pair},
    )
    assert sorted(story.profile(f"user_id:{old}")["identifiers"]["user_id"]) == [new, old]
    why = story.why(f"user_id:{old}", f"user_id:{new}")
    assert why["same"] is True
    assert "an alias or merge call said that they are the same" in why["answer"]


def test_a_late_event_that_should_have_joined_two(story: Story) -> None:
    phone, ada = story.name("phone"), story.name("ada")
    key = story.name("buyers")
    where = {"event": "Order Completed", "count": {"gte": 2}}
    story.platform.put(f"/segments/{key}", {"name": key, "where": where})
    story.tell(
        track("Order Completed", anonymousId=phone),
        track("Order Completed", userId=ada),
    )
    assert story.profile(f"user_id:{ada}")["segments"] == []
    story.tell(identify(ada, datetime.now(UTC) - timedelta(days=30), anonymousId=phone))
    joined = story.profile(f"anonymous_id:{phone}")
    assert joined["events"] == {"Order Completed": 2}
    assert joined["segments"] == [key]
    assert joined == story.profile(f"user_id:{ada}")


def test_a_user_id_used_again_by_somebody_else(story: Story) -> None:
    seven = story.name("7")
    xena, yves = story.mail("xena"), story.mail("yves")
    before, now = datetime.now(UTC) - timedelta(days=400), datetime.now(UTC)
    story.tell(
        track("Article Read", before, anonymousId=story.name("x")),
        identify(seven, before, anonymousId=story.name("x"), traits={"email": xena}),
        identify(seven, now, anonymousId=story.name("y"), traits={"email": yves}),
        track("Product Added", now, anonymousId=story.name("y")),
    )
    story.rule("unlink", f"user_id:{seven}", f"email:{xena}")
    story.rule("unlink", f"user_id:{seven}", f"anonymous_id:{story.name('x')}")
    yves_now = story.profile(f"user_id:{seven}")
    assert yves_now["events"] == {"Product Added": 1}
    assert yves_now["identifiers"]["email"] == [yves]
    assert story.profile(f"anonymous_id:{story.name('x')}")["events"] == {"Article Read": 1}


def test_three_hundred_anonymous_ids_of_one_person(story: Story) -> None:
    ada = story.name("ada")
    calls = []
    for number in range(DEVICES):
        browser = story.name(f"b{number}")
        calls.append(track("Article Read", anonymousId=browser))
        calls.append(identify(ada, anonymousId=browser))
    story.tell(*calls)
    profile = story.profile(f"user_id:{ada}")
    assert profile["events"] == {"Article Read": DEVICES}
    assert len(profile["identifiers"]["anonymous_id"]) == DEVICES


def test_merged_unlinked_and_merged_again(story: Story) -> None:
    ada, phone = f"user_id:{story.name('ada')}", f"anonymous_id:{story.name('phone')}"
    key = story.name("buyers")
    where = {"event": "Order Completed"}
    story.platform.put(f"/segments/{key}", {"name": key, "where": where})
    story.tell(
        track("Article Read", anonymousId=story.name("phone")),
        track("Order Completed", anonymousId=story.name("phone")),
        track("Order Completed", userId=story.name("ada")),
        identify(story.name("ada"), anonymousId=story.name("phone"), traits={"country": "GB"}),
    )
    merged = story.profile(ada)
    assert merged["events"] == {"Article Read": 1, "Order Completed": 2}
    story.rule("unlink", ada, phone)
    assert story.profile(phone)["events"] == {"Article Read": 1, "Order Completed": 1}
    assert story.profile(ada)["events"] == {"Order Completed": 1}
    assert story.profile(ada)["traits"] == {"country": "GB"}
    assert story.profile(phone)["traits"] == {}
    ids = {story.profile(each)["profile_id"] for each in (ada, phone)}
    assert len(ids) == 2
    story.rule("link", phone, ada)
    assert story.profile(ada) == merged
    changes = story.platform.call("GET", f"/segments/{key}/changes?limit=1000").json()["changes"]
    theirs = [each["change"] for each in changes if each["profile_id"] in ids]
    assert theirs == ["entered"], "a split and a merge let nobody enter again"
