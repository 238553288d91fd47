"""How probable it is that somebody will do something: gradient boosting, calibrated later in time.

Three parts, each later than the one before: what is learned from, what probabilities are set by,
and what both are measured on. Boosting after Friedman, "Greedy Function Approximation" (2001), with
histograms; it takes missing values as they are. The classes are not weighted: weights spoil the
probabilities and rank nobody better. What imbalance moves is the threshold, and that is looked for.
Scores are set by Platt's method, "Probabilistic Outputs for Support Vector Machines" (1999), which
keeps their order.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import precision_recall_curve
from threadpoolctl import threadpool_limits

from profiles.learning.boosted import LEAF, Boosted, Numbers, Tree
from profiles.learning.examples import Labels, Split

_ROUNDS = 300
_LARGEST = float(np.finfo(np.float64).max)
_PATIENCE = 20  # rounds without progress on the second part, after which no more are made


def fit(parts: Split, *, seed: int = 0) -> Boosted:
    """Learn from the first part and set probabilities and threshold by the second.

    The same for the same examples and seed.
    """
    learning, setting = parts.learning, parts.setting
    boosting = HistGradientBoostingClassifier(
        learning_rate=0.03,
        max_iter=_ROUNDS,
        max_leaf_nodes=15,
        l2_regularization=1.0,
        early_stopping=True,
        n_iter_no_change=_PATIENCE,
        random_state=seed,
    )
    with threadpool_limits(1, "openmp"):  # a busy machine's threads wait for each other
        boosting.fit(learning.values, learning.labels, X_val=setting.values, y_val=setting.labels)
        model = CalibratedClassifierCV(FrozenEstimator(boosting), method="sigmoid")
        model.fit(setting.values, setting.labels)
    found = _plain(tuple(learning.names), boosting, model)
    threshold = _threshold(setting.labels, found.score(setting.values))
    return msgspec.structs.replace(found, threshold=threshold)


def _plain(names: tuple[str, ...], boosting: Any, model: Any) -> Boosted:
    """What was learned, as numbers."""
    (calibrated,) = model.calibrated_classifiers_
    (sigmoid,) = calibrated.calibrators
    base = float(boosting._baseline_prediction.item())
    trees = [_tree(each.nodes) for (each,) in boosting._predictors]
    return Boosted(names, base, trees, -float(sigmoid.a_), -float(sigmoid.b_), 0.5)


def _tree(nodes: Any) -> Tree:
    leaf = nodes["is_leaf"].astype(bool)
    return Tree(
        np.where(leaf, LEAF, nodes["feature_idx"]).tolist(),
        np.minimum(nodes["num_threshold"], _LARGEST).tolist(),  # JSON knows no infinity
        nodes["left"].tolist(),
        nodes["right"].tolist(),
        nodes["missing_go_to_left"].astype(bool).tolist(),
        nodes["value"].tolist(),
    )


def _threshold(labels: Labels, scores: Numbers) -> float:
    """From which on precision and recall are best together (F1)."""
    precision, recall, thresholds = precision_recall_curve(labels, scores)
    total = precision + recall
    both = np.divide(2 * precision * recall, total, out=np.zeros_like(total), where=total > 0)
    return float(thresholds[int(np.argmax(both[:-1]))])
