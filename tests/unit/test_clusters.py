"""Clusters are found where there are some, keep their ids over refits, and say what they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score

from profiles.learning import protocol
from profiles.learning.choosing import Curve, Point
from profiles.learning.features import Observation
from profiles.learning.protocol import Fitted, Lesson, Unlearnable
from profiles.models.schema import METHODS

PEOPLE = 300


def blobs(centers: int, seed: int, people: int = PEOPLE) -> tuple[list[Observation], Any]:
    """People around so many centres of five features, and who belongs to which."""
    rows, truth = make_blobs(people, 5, centers=centers, cluster_std=1.0, random_state=seed)
    return observed(rows), truth


def observed(rows: Any) -> list[Observation]:
    return [Observation({f"f{n}": float(v) for n, v in enumerate(row)}) for row in rows]


def learn(
    people: Sequence[Observation],
    method: str = "kmeans",
    clusters: Any = "auto",
    before: Fitted | None = None,
) -> Fitted:
    definition = {"method": method, "clusters": clusters}
    last = before.parameters if before is not None else None
    return protocol.fit(Lesson("clusters", definition, list(people), last))


def inside(fitted: Fitted, people: Sequence[Observation]) -> list[str]:
    return protocol.score("clusters", fitted.parameters, people)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("seed", [1, 3])
def test_blobs_are_recovered(method: str, seed: int) -> None:
    people, truth = blobs(4, seed)
    fitted = learn(people, method)
    assert adjusted_rand_score(truth, inside(fitted, people)) >= 0.95


@pytest.mark.parametrize("method", METHODS)
def test_people_nobody_learned_from_are_assigned(method: str) -> None:
    people, truth = blobs(4, 1, 2 * PEOPLE)
    fitted = learn(people[:PEOPLE], method)
    assert adjusted_rand_score(truth[PEOPLE:], inside(fitted, people[PEOPLE:])) >= 0.95


@pytest.mark.parametrize("centers", [2, 5])
@pytest.mark.parametrize("method", METHODS)
def test_both_curves_find_how_many_there_are(method: str, centers: int) -> None:
    people, _ = blobs(centers, 5)
    report = learn(people, method).report
    assert report["chosen"] == {"clusters": centers, "silhouette": centers, "elbow": centers}
    points = report["curves"]
    assert [each["clusters"] for each in points] == list(range(1, 11))
    assert points[0]["silhouette"] is None
    assert max(points[1:], key=lambda each: each["silhouette"])["clusters"] == centers


def curve(*points: tuple[float | None, float]) -> Curve:
    return Curve([Point(n, *each) for n, each in enumerate(points, start=1)])


def test_the_elbow_is_where_the_line_bends() -> None:
    bent = curve((None, 100.0), (0.5, 40.0), (0.6, 20.0), (0.5, 18.0), (0.4, 16.5), (0.4, 15.0))
    assert bent.chosen() == {"clusters": 3, "silhouette": 3, "elbow": 3}


def test_the_elbow_counts_where_the_silhouette_hardly_differs() -> None:
    near = curve((None, 100.0), (0.5, 60.0), (0.7, 20.0), (0.65, 8.0), (0.5, 7.0))
    assert near.chosen() == {"clusters": 4, "silhouette": 3, "elbow": 4}
    far = curve((None, 100.0), (0.5, 60.0), (0.7, 20.0), (0.6, 8.0), (0.5, 7.0))
    assert far.chosen() == {"clusters": 3, "silhouette": 3, "elbow": 4}
    fewer = curve((None, 100.0), (0.65, 10.0), (0.5, 9.0), (0.7, 8.0), (0.5, 7.0))
    assert fewer.chosen() == {"clusters": 2, "silhouette": 4, "elbow": 2}
    none = curve((None, 100.0), (0.2, 10.0), (0.5, 9.0), (0.7, 8.0), (0.5, 7.0))
    assert none.chosen() == {"clusters": 4, "silhouette": 4, "elbow": 2}


def test_clusters_that_lie_near_each_other_are_told_apart() -> None:
    people, truth = blobs(4, 9)
    fitted = learn(people)
    assert fitted.report["chosen"] == {"clusters": 4, "silhouette": 3, "elbow": 4}
    assert adjusted_rand_score(truth, inside(fitted, people)) >= 0.95


def test_a_number_that_was_asked_for_is_taken() -> None:
    people, _ = blobs(4, 1)
    fitted = learn(people, clusters=3)
    assert len(set(inside(fitted, people))) == fitted.report["chosen"]["clusters"] == 3


@pytest.mark.parametrize("method", METHODS)
def test_ids_hold_when_people_come_shuffled_and_there_are_more_of_them(method: str) -> None:
    people, _ = blobs(5, 7, 2 * PEOPLE)
    first = learn(people[:PEOPLE], method)
    before = inside(first, people)
    order = np.random.default_rng(3).permutation(len(people))
    again = learn([people[n] for n in order], method, before=first)
    after = inside(again, people)
    assert adjusted_rand_score(before, after) >= 0.95
    same = sum(a == b for a, b in zip(before, after, strict=True))
    assert same >= 0.98 * len(people)
    assert again.report["stability"]["kept"] == ["c1", "c2", "c3", "c4", "c5"]
    assert again.report["stability"]["agreement"] >= 0.95


def test_ids_hold_over_another_method() -> None:
    people, _ = blobs(4, 1)
    first = learn(people)
    second = learn(people, "mixture", before=first)
    assert inside(first, people) == inside(second, people)


def test_a_cluster_that_is_new_gets_an_id_that_nobody_had() -> None:
    people, truth = blobs(4, 1)
    three = [each for each, cluster in zip(people, truth, strict=True) if cluster != 0]
    first = learn(three)
    before = dict(zip(map(id, three), inside(first, three), strict=True))
    second = learn(people, before=first)
    assert second.report["stability"]["new"] == ["c4"]
    for each, cluster, found in zip(people, truth, inside(second, people), strict=True):
        assert found == ("c4" if cluster == 0 else before[id(each)])
    third = learn(three, before=second)
    assert third.report["stability"]["gone"] == ["c4"]
    fourth = learn(people, before=third)
    assert fourth.report["stability"]["new"] == ["c5"]


def test_learning_the_same_gives_the_same() -> None:
    people, _ = blobs(4, 2)
    for method in METHODS:
        assert learn(people, method, 4) == learn(people, method, 4)


def test_a_label_names_what_sets_a_cluster_apart() -> None:
    luck = np.random.default_rng(1)
    many = [
        Observation(
            {"frequency": luck.normal(90, 5), "recency": luck.normal(2, 1)},
            {"hours": {"night": 0.9, "morning": 0.1}, "taste": {"tea": 1.0}},
        )
        for _ in range(60)
    ]
    few = [
        Observation(
            {"frequency": luck.normal(9, 2), "recency": luck.normal(80, 5)},
            {"hours": {"morning": 0.7, "evening": 0.3}, "taste": {"cake": 1.0}},
        )
        for _ in range(60)
    ]
    fitted = learn(many + few)
    labels = {each["id"]: each["label"] for each in fitted.report["clusters"]}
    found = inside(fitted, many + few)
    assert labels[found[0]] == "more tea (taste), very active, seen lately"
    assert labels[found[-1]].startswith("more cake (taste), ")
    told = fitted.report["clusters"][0]["features"][0]
    assert abs(told["apart"]) > 0.9
    assert told["mean"] != told["everybody"]


def test_labels_of_clusters_differ() -> None:
    people, _ = blobs(5, 7)
    labels = [each["label"] for each in learn(people).report["clusters"]]
    assert len(set(labels)) == 5


def test_what_is_missing_is_filled_in_and_no_unit_counts_for_more() -> None:
    rows, truth = make_blobs(PEOPLE, 5, centers=3, random_state=4)
    people = observed(rows * np.array([1, 1e6, 1e-6, 1, 1]))
    luck = np.random.default_rng(2)
    for each in people:
        for name in list(each.amounts):
            if luck.random() < 0.05:
                del each.amounts[name]
    fitted = learn(people)
    assert adjusted_rand_score(truth, inside(fitted, people)) >= 0.95
    assert inside(fitted, [Observation()])[0].startswith("c")


def test_what_sets_a_few_apart_makes_no_cluster_of_them() -> None:
    people, truth = blobs(3, 1)
    for each in people:
        each.amounts["rare"] = 0.0
    for each in people[:4]:
        each.amounts["rare"] = 1.0
    fitted = learn(people)
    assert adjusted_rand_score(truth, inside(fitted, people)) >= 0.95
    assert "rare" not in fitted.report["features"]


def test_money_of_which_few_have_most_does_not_make_outliers_of_everybody() -> None:
    luck = np.random.default_rng(6)
    spent = np.concatenate([luck.lognormal(2, 0.3, 300), luck.lognormal(6, 0.3, 300)])
    people = [Observation({"spent": float(each)}) for each in spent]
    people[0].amounts["spent"] = 1e9
    fitted = learn(people, clusters=2)
    assert adjusted_rand_score([0] * 299 + [1] * 300, inside(fitted, people[1:])) >= 0.95


@pytest.mark.parametrize(
    ("people", "why"),
    [
        ([Observation({"f": float(n)}) for n in range(49)], "49 people .* 50 are needed"),
        ([Observation({"f": 1.0})] * 60, "the same for nearly everybody"),
    ],
)
def test_nothing_is_made_up_where_there_is_nothing(people: list[Observation], why: str) -> None:
    with pytest.raises(Unlearnable, match=why):
        learn(people)
