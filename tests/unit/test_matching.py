"""Records, keys, levels and weights: what matching works with."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdp.records import record
from identity.matching import defaults
from identity.matching.comparing import COMPARISONS, level_of, together
from identity.matching.fields import CROWD, MOST_KEYS, Field, Matching
from identity.matching.learning import Sample, learn
from identity.matching.model import MISSING, Model, decode, encode, levels
from profiles import fragment, sightings

NAMES = (
    Field("first_name", "name", ("firstName", "name.first"), crossed="last_name"),
    Field("last_name", "name", ("lastName", "name.last"), shared=True),
    Field("birthday", "date", ("birthday",)),
    Field("street", "text", ("address.street",), shared=True),
)
MATCHING = defaults.matching(
    NAMES, ("first_name + last_name", "last_name.3 + birthday", "last_name + street")
)


@pytest.mark.parametrize(
    ("kind", "a", "b", "says"),
    [
        ("name", "Zoë", "ZOE", "the same"),
        ("name", "Robert", "Robret", "nearly the same"),
        ("name", "Robert", "Mary", "different"),
        ("date", "1971-06-24", "19710624", "the same"),
        ("date", "1971-06-24", "1971-06-42", "one slip apart"),
        ("date", "1971-06-12", "1971-12-06", "two parts the same"),
        ("date", "1971-06-24", "1984-01-01", "different"),
        ("code", "SW1A 1AA", "sw1a1aa", "the same"),
        ("code", "10115", "10117", "one slip apart"),
        ("email", "ada+shop@mail.example", "ADA@mail.example", "the same"),
        ("email", "ada@mail.example", "ada@work.example", "the same name elsewhere"),
        ("email", "ada.lovelace@mail.example", "ada.lovlace@mail.example", "nearly the same name"),
        ("text", "12 Main St.", "12 main st", "the same"),
        ("exact", "chrome windows", "safari ios", "different"),
    ],
)
def test_levels_in_words(kind: str, a: str, b: str, says: str) -> None:
    one, other = (COMPARISONS[kind].clean(each) for each in (a, b))
    assert COMPARISONS[kind].levels[level_of(kind, one, other)] == says
    assert level_of(kind, other, one) == level_of(kind, one, other)


@given(st.sampled_from(sorted(COMPARISONS)), st.text(max_size=12), st.text(max_size=12))
def test_any_two_values_have_one_level_whichever_comes_first(kind: str, a: str, b: str) -> None:
    clean = COMPARISONS[kind].clean
    one, other = clean(a), clean(b)
    assert clean(one) == one
    level = level_of(kind, one, other)
    assert 0 <= level < len(COMPARISONS[kind].levels)
    assert level == level_of(kind, other, one)
    assert (level == 0) == (one == other) or kind == "places"


def test_places_count_by_network_and_day_without_those_where_everybody_is() -> None:
    home = [f"{day} 81.2.69.1" for day in range(20700, 20703)]
    assert together(home, [*home, "20700 9.9.9.9"], ()) == 1
    assert together(home[:1], home, ()) == 2
    assert together([*home, "20700 9.9.9.9"], [*home, "20700 9.9.9.9"], ()) == 0
    assert together([*home, "20700 9.9.9.9"], [*home, "20700 9.9.9.9"], {"9.9.9.9"}) == 1
    assert together(home, ["20800 81.2.69.1"], ()) == 3


def test_a_record_takes_what_every_fragment_says() -> None:
    one, other = fragment.empty(), fragment.empty()
    one.traits["name"] = (1, b"", "Ada King Lovelace")
    one.traits["address"] = (1, b"", {"street": "12 Main St", "zip": 5})
    other.traits["firstName"] = (1, b"", "Augusta")
    other.traits["birthday"] = (1, b"", None)
    assert record(MATCHING, [one, other]) == (
        ("ada", "augusta"),
        ("lovelace",),
        (),
        ("12 main st",),
    )


def test_keys_find_those_whose_first_and_last_names_were_exchanged() -> None:
    one = MATCHING.record({"first_name": ["Ada"], "last_name": ["Byron"]})
    other = MATCHING.record({"first_name": ["Byron"], "last_name": ["Ada"]})
    assert MATCHING.blocks(one) == MATCHING.blocks(other) != []
    seen = levels(NAMES, one, other)
    assert seen[1] == MISSING
    assert seen[0] == len(COMPARISONS["name"].levels)
    assert levels(NAMES, other, one) == seen


def test_keys_are_bounded_and_say_nothing_where_a_part_is_missing() -> None:
    many = [f"name{n}" for n in range(40)]
    assert len(MATCHING.blocks(MATCHING.record({"first_name": many, "last_name": many}))) == (
        MOST_KEYS
    )
    assert MATCHING.blocks(MATCHING.record({"first_name": ["Ada"]})) == []


@pytest.mark.parametrize("written", ["", "shoe_size", "last_name.x", "last_name.0", "last_name.65"])
def test_a_key_that_makes_no_sense_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r"fields|characters"):
        defaults.key_of(written, NAMES)


def _world(people: int, seed: int = 3) -> tuple[list[dict[str, list[str]]], list[int]]:
    """Each with a spouse at the same address; two of three records have a second with slips."""
    chance = random.Random(seed)
    firsts = [f"{a}{b}" for a in ("an", "be", "ci", "do", "el") for b in ("na", "rt", "ko", "mi")]
    found, owners = [], []
    for number in range(people):
        last = f"house{number // 2 * 7919 % 9973}"
        who = {
            "first_name": [firsts[(number * 7) % 20]],
            "last_name": [last],
            "birthday": [f"19{50 + number % 50}-0{number % 9 + 1}-1{number % 8}"],
            "street": [f"{number // 2} long street"],
        }
        found.append(who)
        owners.append(number)
        if number % 3:
            again = dict(who)
            if chance.random() < 0.2:
                again["birthday"] = []
            if chance.random() < 0.2:
                again["first_name"] = [who["first_name"][0] + "h"]
            found.append(again)
            owners.append(number)
    return found, owners


def _learned(people: int = 900) -> tuple[Model, list[tuple[tuple[str, ...], ...]], list[int]]:
    found, owners = _world(people)
    records = [MATCHING.record(each) for each in found]
    return learn(MATCHING, Sample(records)), records, owners


def test_weights_learned_without_labels_tell_people_from_their_household() -> None:
    model, records, owners = _learned()
    first_name = model.weights[0]
    assert first_name.m[0] > 0.7
    assert first_name.u[0] < 0.1
    assert model.weights[1].h[0] > 0.9, "a household shares its name"
    by: dict[int, list[int]] = {}
    for index, owner in enumerate(owners):
        by.setdefault(owner, []).append(index)
    same = [model.probability(records[a], records[b]) for a, b in (p for p in by.values() if p[1:])]
    spouses = [
        model.probability(records[by[n][0]], records[by[n + 1][0]]) for n in range(0, 800, 2)
    ]
    assert sum(p > 0.9 for p in same) / len(same) > 0.8
    assert max(spouses) < 0.5
    evidence = model.evidence(records[by[1][0]], records[by[1][1]])
    assert {each.field for each in evidence} >= {"first_name", "last_name", "street"}


def test_a_model_is_the_same_for_the_same_records_and_survives_being_stored() -> None:
    model, records, _ = _learned(200)
    assert learn(MATCHING, Sample(records)) == model
    assert decode(encode(model), NAMES) == model


def test_a_sample_of_a_larger_world_expects_as_many_as_the_whole() -> None:
    whole, records, _ = _learned()
    order = list(records)
    random.Random(1).shuffle(order)
    half = len(order) // 2
    sample = learn(MATCHING, Sample(order, half, len(order)))
    assert 0.5 < sample.prior.same / whole.prior.same < 2
    assert 0.5 < sample.prior.household / whole.prior.household < 2


def test_nothing_to_learn_from_gives_weights_that_link_nobody() -> None:
    nobody = MATCHING.record({})
    model = learn(MATCHING, Sample([nobody] * 3))
    assert model.probability(nobody, nobody) < 0.5
    assert learn(MATCHING, Sample([])).records == 0


def test_a_crowd_under_one_key_is_not_compared() -> None:
    crowd = [MATCHING.record({"first_name": ["Ada"], "last_name": ["Byron"]})] * (CROWD + 1)
    assert learn(MATCHING, Sample(crowd)).prior.same < 0.001


def test_networks_and_devices() -> None:
    assert sightings.network_of("81.2.69.142") == "81.2.69.142"
    assert sightings.network_of("2001:4860:4860::8888") == "2001:4860:4860::"
    assert [sightings.network_of(a) for a in ("10.0.0.1", "127.0.0.1", "fe80::1", "x")] == [""] * 4
    iphone = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Version/17.5 Safari/604.1"
    edge = "Mozilla/5.0 (Windows NT 10.0; Win64) Chrome/126.0 Safari/537.36 Edg/126.0"
    assert sightings.family(iphone) == "safari ios"
    assert sightings.family(edge) == "edge windows"
    assert sightings.family("curl/8") == ""


@given(st.permutations([f"{20700 + n // 2} 81.2.69.{n}" for n in range(20)]))
def test_places_that_are_kept_do_not_depend_on_the_order(seen: list[str]) -> None:
    kept: list[str] = []
    for each in seen:
        sightings.add_place(kept, each)
    assert kept == sorted(seen)[-sightings.NEWEST :]


@given(st.permutations([(f"d{n % 6}", n) for n in range(12)]))
def test_devices_that_are_kept_do_not_depend_on_the_order(seen: list[tuple[str, int]]) -> None:
    kept: dict[str, int] = {}
    for name, at in seen:
        sightings.add_device(kept, name, at)
    assert kept == {f"d{n % 6}": n for n in range(8, 12)}


def test_the_default_form_says_what_the_defaults_say() -> None:
    from identity.matching.schema import MatchingSchema, read

    assert read(MatchingSchema().load({})).matching == defaults.matching()
    assert isinstance(defaults.matching(), Matching)
