"""Who is who, from identifiers to profiles, as pure functions."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import networkx as nx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cdp.events import SCHEMA, Event, Identifier
from identity.graph import Edge, Inference, Node, latest, verdict
from identity.groups import Why
from identity.identifiers import Kind, namespace_of, normalised, read, subject
from identity.model import Facts, resolve
from identity.rules import STRENGTH, Namespace, Rules

SMALL = Rules(
    {"user_id": Namespace(limit=1), "email": Namespace(limit=2)}, others=Namespace(limit=3)
)


LIKELY = replace(SMALL, confidence=0.75)
SAID = [kind for kind in STRENGTH if kind != Kind.INFERRED]


def event(kind: str = "track", **fields: Any) -> Event:
    return Event(SCHEMA, kind, b"e" * 16, 1, "m", 10, 10, **fields)  # type: ignore[arg-type]


def node(name: str, seen: int = 0) -> Node:
    return Node(name.encode(), {"u": "user_id", "e": "email"}.get(name[0], "anonymous_id"), seen)


def edge(a: str, b: str, kind: Kind = Kind.TOGETHER, seen: int = 0) -> Edge:
    a, b = sorted((a, b))
    return Edge(a.encode(), b.encode(), int(kind), seen, b"")


def alike(a: str, b: str, probability: float) -> Inference:
    a, b = sorted((a, b))
    return Inference(a.encode(), b.encode(), probability, 0, b"")


def profiles(nodes: list[Node], edges: list[Edge]) -> set[frozenset[str]]:
    return people(Facts(nodes, edges), SMALL)


@pytest.mark.parametrize(
    "value",
    ["", " ", "0000", "0-0-0", "---", "null", "undefined", "Anonymous", "-1", "test", "None"],
)
def test_values_that_stand_for_nothing_link_nobody(value: str) -> None:
    assert normalised("user_id", value) is None


@pytest.mark.parametrize(
    ("namespace", "value", "expected"),
    [
        ("email", " Ada@Example.COM ", "ada@example.com"),
        ("email", "\uff41da@example.com", "ada@example.com"),
        ("email", "ada", None),
        ("phone", "+49 (30) 123-456", "+4930123456"),
        ("user_id", 42, "42"),
        ("user_id", True, None),
        ("user_id", ["a"], None),
    ],
)
def test_normalisation(namespace: str, value: object, expected: str | None) -> None:
    found = normalised(namespace, value)
    assert (found.value if found else None) == expected


@pytest.mark.parametrize("name", ["userId", "user_id", "User ID", "USER_ID"])
def test_one_namespace_has_many_spellings(name: str) -> None:
    assert namespace_of(name) == "user_id"


def test_the_subject_is_the_strongest_identifier() -> None:
    external = {"externalIds": [{"type": "ga_client_id", "id": "7", "collection": "users"}]}
    both = event(user_id="ada", anonymous_id="a-1", context=external)
    assert read(both).subject == Identifier("user_id", "ada")
    assert read(event(anonymous_id="a-1", context=external)).subject == ("anonymous_id", "a-1")
    assert read(event(context=external)).subject == ("ga_client_id", "7")


def test_an_event_with_neither_user_nor_device_is_about_nobody() -> None:
    device = {"device": {"id": "d-1"}, "traits": {"email": "ada@example.com"}}
    assert read(event(context=device)).subject is None
    assert read(event("identify", traits={"email": "ada@example.com"})).identifiers == ()


def test_an_identify_call_links_strongly() -> None:
    named = read(event("identify", user_id="ada", anonymous_id="a", traits={"email": "a@b.c"}))
    assert {(link.b.namespace, link.kind) for link in named.links} == {
        ("anonymous_id", Kind.LOGIN),
        ("email", Kind.IDENTIFY),
    }


def test_group_traits_are_not_the_persons() -> None:
    named = read(event("group", user_id="ada", group_id="g", traits={"email": "info@firm.com"}))
    assert named.identifiers == (("user_id", "ada"),)


def test_alias_says_the_previous_id_is_this_user_in_either_namespace() -> None:
    links = read(event("alias", user_id="new", previous_id="old")).links
    assert {(link.a, link.b, link.kind) for link in links} == {
        (("user_id", "new"), ("user_id", "old"), Kind.ALIAS),
        (("user_id", "new"), ("anonymous_id", "old"), Kind.ALIAS),
    }
    assert read(event("alias", user_id="same", previous_id="same")).links == ()


def test_merge_links_two_typed_identifiers() -> None:
    pair = [{"type": "userId", "value": "ada"}, {"type": "email", "value": "ADA@b.c"}]
    named = read(event("merge", extra={"mergeProperties": pair}))
    assert named.subject == ("user_id", "ada")
    assert [(link.a, link.b) for link in named.links] == [
        (("user_id", "ada"), ("email", "ada@b.c"))
    ]


@pytest.mark.parametrize(
    "context",
    [{"externalIds": "x"}, {"externalIds": [1, {"type": 2}]}, {"device": []}, {"traits": "x"}],
)
def test_odd_contexts_do_not_break(context: dict[str, Any]) -> None:
    assert read(event(user_id="ada", context=context)).subject == ("user_id", "ada")


def test_a_device_that_two_people_share_keeps_two_profiles() -> None:
    nodes = [node("u1", 1), node("u2", 5), node("a1", 1)]
    edges = [edge("u1", "a1", Kind.LOGIN, 1), edge("u2", "a1", Kind.LOGIN, 5)]
    assert profiles(nodes, edges) == {frozenset({"u1", "a1"}), frozenset({"u2"})}
    refused = resolve(Facts(nodes, edges), SMALL).refused
    assert refused == [(edges[1], Why.LIMIT, b"user_id")]


def test_a_stronger_edge_wins_over_an_earlier_one() -> None:
    nodes = [node("u1", 1), node("u2", 5), node("a1", 1)]
    edges = [edge("u1", "a1", Kind.TOGETHER, 1), edge("u2", "a1", Kind.LOGIN, 5)]
    assert profiles(nodes, edges) == {frozenset({"u1"}), frozenset({"u2", "a1"})}


def test_an_alias_makes_two_user_ids_one() -> None:
    nodes = [node("u1"), node("u2"), node("a1"), node("a2")]
    edges = [
        edge("u1", "a1", Kind.LOGIN),
        edge("u2", "a2", Kind.LOGIN),
        edge("u1", "u2", Kind.ALIAS),
    ]
    assert profiles(nodes, edges) == {frozenset({"u1", "u2", "a1", "a2"})}


def test_a_profile_is_named_after_its_earliest_identifier_then_the_strongest() -> None:
    nodes = [node("u1", 5), node("a1", 3), node("e1", 3)]
    edges = [edge("u1", "a1"), edge("u1", "e1")]
    assert set(resolve(Facts(nodes, edges), SMALL).profiles.values()) == {b"a1"}


def people(facts: Facts, rules: Rules) -> set[frozenset[str]]:
    found: dict[bytes, set[str]] = {}
    for name, profile in resolve(facts, rules).profiles.items():
        found.setdefault(profile, set()).add(name.decode())
    return {frozenset(names) for names in found.values()}


def test_what_many_people_share_links_none_of_them() -> None:
    rules = Rules({"user_id": Namespace(limit=1), "email": Namespace(people=2)})
    nodes = [node("e1"), *(node(f"u{n}") for n in range(3))]
    edges = [edge("e1", f"u{n}", Kind.IDENTIFY) for n in range(3)]
    resolution = resolve(Facts(nodes, edges), rules)
    assert resolution.shared == {b"e1"}
    assert len(set(resolution.profiles.values())) == 4
    assert {(r.why, r.about) for r in resolution.refused} == {(Why.SHARED, b"e1")}
    assert resolve(Facts(nodes, edges[:2]), rules).shared == set()


def test_three_hundred_devices_of_one_person_are_one_person() -> None:
    nodes = [node("u1"), *(node(f"a{n}", n) for n in range(300))]
    edges = [edge("u1", f"a{n}", Kind.LOGIN, n) for n in range(300)]
    assert len(people(Facts(nodes, edges), Rules())) == 1


def test_one_weak_link_between_two_large_profiles_waits_for_a_review() -> None:
    rules = Rules({}, review=2)
    nodes = [node(name) for name in ("a1", "a2", "a3", "a4")]
    strong = [edge("a1", "a2", Kind.LOGIN), edge("a3", "a4", Kind.LOGIN)]
    weak = edge("a2", "a3")
    held = resolve(Facts(nodes, [*strong, weak]), rules)
    assert held.refused == [(weak, Why.HELD, b"")]
    assert len(people(Facts(nodes, [*strong, weak, edge("a1", "a4")]), rules)) == 1
    assert len(people(Facts(nodes, [*strong, edge("a2", "a3", Kind.LOGIN)]), rules)) == 1
    approved = verdict(b"a2", b"a3", together=True, at=9, event=b"ok")
    assert len(people(Facts(nodes, [*strong, weak], [approved]), rules)) == 1


def test_what_an_operator_says_counts_as_if_it_had_always_been_so() -> None:
    nodes = [node("u1"), node("e1"), node("a1")]
    edges = [edge("u1", "e1", Kind.LOGIN), edge("u1", "a1", Kind.LOGIN)]
    not_his = verdict(b"u1", b"e1", together=False, at=9, event=b"no")
    assert people(Facts(nodes, edges, [not_his]), SMALL) == people(Facts(nodes, edges[1:]), SMALL)
    his = verdict(b"u1", b"e1", together=True, at=9, event=b"yes")
    assert people(Facts(nodes, edges[1:], [his]), SMALL) == people(Facts(nodes, edges), SMALL)


def test_who_was_set_apart_stays_apart_by_way_of_a_third() -> None:
    nodes = [node("u1"), node("a1"), node("a2")]
    edges = [edge("u1", "a1", Kind.LOGIN, 1), edge("u1", "a2", Kind.TOGETHER, 2)]
    apart = verdict(b"a1", b"a2", together=False, at=9, event=b"no")
    resolution = resolve(Facts(nodes, edges, [apart]), SMALL)
    assert resolution.refused == [(edges[1], Why.APART, b"no")]


def test_of_two_words_on_a_pair_the_later_counts_and_in_a_tie_the_one_against() -> None:
    yes = verdict(b"b", b"a", together=True, at=1, event=b"1")
    no = verdict(b"a", b"b", together=False, at=1, event=b"0")
    later = verdict(b"a", b"b", together=True, at=2, event=b"0")
    assert list(latest([yes, no]).values()) == list(latest([no, yes]).values()) == [no]
    assert list(latest([later, yes, no]).values()) == [later]


def test_blocked_values_and_namespaces_link_nobody() -> None:
    rules = Rules({"email": Namespace(blocked=("info@*",)), "ip": Namespace(links=False)})
    assert rules.blocks(Identifier("email", "info@shop.example"))
    assert rules.blocks(Identifier("ip", "192.0.2.1"))
    assert not rules.blocks(Identifier("email", "ada@shop.example"))
    nodes, edges = [node("u1"), node("e1")], [edge("u1", "e1", Kind.LOGIN)]
    assert len(people(Facts(nodes, edges, blocked={b"e1"}), Rules())) == 2


names = st.sampled_from([f"{kind}{number}" for kind in "uea" for number in range(4)])
edges_drawn = st.lists(
    st.builds(edge, names, names, st.sampled_from(SAID), st.integers(0, 5)).filter(
        lambda e: e.a != e.b
    ),
    max_size=25,
)


inferred_drawn = st.lists(
    st.builds(alike, names, names, st.sampled_from([0.0, 0.7, 0.9, 0.99])).filter(
        lambda each: each.a != each.b
    ),
    max_size=8,
    unique_by=lambda each: (each.a, each.b),
)


@given(edges_drawn, inferred_drawn, st.randoms(use_true_random=False))
def test_resolution_depends_on_the_set_of_facts_alone(
    edges: list[Edge], inferred: list[Inference], shuffler: random.Random
) -> None:
    nodes = [node(f"{kind}{number}", number) for kind in "uea" for number in range(4)]
    expected = resolve(Facts(nodes, edges, inferred=inferred), LIKELY)
    shuffled_nodes, shuffled = list(nodes), edges + edges[: len(edges) // 2]
    for each in (shuffled_nodes, shuffled, inferred):
        shuffler.shuffle(each)
    found = resolve(Facts(shuffled_nodes, shuffled, inferred=inferred), LIKELY)
    assert found.profiles == expected.profiles


@given(edges_drawn, inferred_drawn, st.sampled_from([None, 2]))
def test_likeness_only_joins_and_never_whom_a_rule_kept_apart(
    edges: list[Edge], inferred: list[Inference], review: int | None
) -> None:
    nodes = [node(f"{kind}{number}", number) for kind in "uea" for number in range(4)]
    rules = replace(LIKELY, review=review)
    certain = resolve(Facts(nodes, edges), rules)
    found = resolve(Facts(nodes, edges, inferred=inferred), rules)
    for one in certain.profiles:
        for other in certain.profiles:
            if certain.profiles[one] == certain.profiles[other]:
                assert found.profiles[one] == found.profiles[other]
    for refusal in certain.refused:
        assert found.profiles[refusal.edge.a] != found.profiles[refusal.edge.b]


def test_likeness_counts_from_the_confidence_on_and_the_most_probable_first() -> None:
    nodes = [node("a1", 1), node("a2", 2), node("u1", 3), node("u2", 4)]
    edges = [edge("u1", "a1", Kind.LOGIN)]
    inferred = [alike("u2", "a2", 0.8), alike("a1", "a2", 0.9)]
    found = resolve(Facts(nodes, edges, inferred=inferred), LIKELY)
    assert len({found.profiles[each] for each in (b"u1", b"a1", b"a2")}) == 1
    assert [(each.edge.kind, each.why) for each in found.refused] == [(Kind.INFERRED, Why.LIMIT)]
    for confidence, profiles in ((None, 3), (0.95, 3), (0.85, 2)):
        rules = replace(LIKELY, confidence=confidence)
        assert len(people(Facts(nodes, edges, inferred=inferred), rules)) == profiles


def test_likeness_does_not_go_round_a_refusal() -> None:
    """Two sign in on one device; a third, nameless one is like both."""
    nodes = [node(each, n) for n, each in enumerate(("u1", "u2", "a1", "a2"))]
    edges = [edge("u1", "a1", Kind.LOGIN, 1), edge("u2", "a1", Kind.LOGIN, 2)]
    rules = replace(LIKELY, namespaces={"user_id": Namespace(limit=1, people=None)})
    both = [alike("u1", "a2", 0.99), alike("u2", "a2", 0.98)]
    assert {"u2"} in people(Facts(nodes, edges, inferred=both), rules)
    weak = replace(rules, namespaces={}, others=Namespace(), review=2)
    held = [edge("a1", "a2"), edge("u1", "a1", Kind.LOGIN), edge("u2", "a2", Kind.LOGIN)]
    found = resolve(Facts(nodes, held, inferred=[alike("u1", "u2", 0.99)]), weak)
    assert {each.why for each in found.refused} == {Why.HELD, Why.CONTRADICTED}


@given(edges_drawn)
@example(
    [
        *(edge("u0", "u1", Kind.ALIAS), edge("u1", "u2", Kind.ALIAS), edge("u0", "u2", Kind.LOGIN)),
        *(edge(f"e{n}", f"u{n}", Kind.LOGIN) for n in range(3)),
    ]
)
def test_no_profile_breaks_a_limit_and_no_refused_edge_could_have_been_taken(
    edges: list[Edge],
) -> None:
    nodes = [node(f"{kind}{number}", number) for kind in "uea" for number in range(4)]
    resolution = resolve(Facts(nodes, edges), SMALL)
    same = identities(nodes, edges)
    inside: dict[tuple[bytes, str], set[int]] = {}
    for each in nodes:
        counted = inside.setdefault((resolution.profiles[each.id], each.namespace), set())
        counted.add(same[each.id])
    for (_, namespace), counted in inside.items():
        assert len(counted) <= (SMALL.of(namespace).limit or 0)
    for refusal in resolution.refused:
        a, b = refusal.edge.a, refusal.edge.b
        assert resolution.profiles[a] != resolution.profiles[b]


def identities(nodes: list[Node], edges: list[Edge]) -> dict[bytes, int]:
    """Which nodes count as one: of one namespace, and said to be the same by alias calls.

    Wherever those who said it end up: `u0` and `u2` are one if both are said to be `u1`.
    """
    said: nx.Graph[bytes] = nx.Graph()
    said.add_nodes_from(each.id for each in nodes)
    namespaces = {each.id: each.namespace for each in nodes}
    said.add_edges_from(
        (each.a, each.b)
        for each in edges
        if each.kind == Kind.ALIAS and namespaces[each.a] == namespaces[each.b]
    )
    parts = enumerate(nx.connected_components(said))
    return {each: number for number, part in parts for each in part}


ids = st.sampled_from(["", "null", "0000", "ada", " x "])
external = st.lists(st.fixed_dictionaries({"type": st.just("crm"), "id": ids}), max_size=2)


@given(st.sampled_from(["track", "identify", "alias"]), ids, ids, external)
def test_the_short_cut_to_the_subject_agrees_with_the_long_way(
    kind: str, user: str, anonymous: str, others: list[dict[str, str]]
) -> None:
    made = event(kind, user_id=user, anonymous_id=anonymous, context={"externalIds": others})
    assert subject(made) == read(made).subject


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ("a.da+shop@gmail.com", "ada@gmail.com"),
        ("a.da@googlemail.com", "ada@gmail.com"),
        ("a.da+shop@example.com", "a.da@example.com"),
        ("+x@example.com", "+x@example.com"),
    ],
)
def test_what_providers_deliver_to_one_box_is_one_address(value: str, plain: str) -> None:
    rules = Rules({"email": Namespace(providers=True)})
    assert rules.spelled(Identifier("email", value)) == Identifier("~email", plain)
    assert Rules().spelled(Identifier("email", value)) is None


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ("030123456", "+4930123456"),
        ("+4930123456", "+4930123456"),
        ("1", None),
    ],
)
def test_numbers_are_read_as_those_of_a_country(value: str, plain: str | None) -> None:
    rules = Rules({"phone": Namespace(region="DE")})
    found = rules.spelled(Identifier("phone", value))
    assert found == (Identifier("~phone", plain) if plain else None)


def test_spellings_of_one_address_count_as_one_and_name_no_profile() -> None:
    nodes = [node("u1", 5), node("e1", 5), node("e2", 5), node("e3", 5), Node(b"a", "~email", 5)]
    edges = [edge("u1", "e1", Kind.LOGIN, 5)]
    edges += [edge("a", f"e{n}", Kind.SPELLED, 5) for n in (1, 2, 3)]
    assert set(resolve(Facts(nodes, edges), SMALL).profiles.values()) == {b"u1"}
