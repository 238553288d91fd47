"""Trees as plain numbers say what scikit-learn's own say, also after they were JSON."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from profiles.learning import boosting
from profiles.learning.boosted import Boosted
from profiles.learning.examples import split
from tests.support.planted_people import HORIZON, people


def test_plain_trees_say_what_the_library_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """With values that are not known, some of which only training or only scoring has."""
    made = []
    fit = HistGradientBoostingClassifier.fit

    def noted(self: HistGradientBoostingClassifier, *args: object, **more: object) -> object:
        made.append(self)
        return fit(self, *args, **more)

    monkeypatch.setattr(HistGradientBoostingClassifier, "fit", noted)
    examples, _ = people(7, 3000)
    values = examples.values.copy()
    values[::7, 3] = np.nan
    values[:, 2] = 0.0  # or unknown: no threshold lies between
    values[examples.labels & (np.arange(3000) % 2 == 0), 2] = np.nan
    found = boosting.fit(split(replace(examples, values=values), HORIZON))
    fresh = people(8, 500)[0].values
    fresh[::3] = np.nan
    fresh[::5, 0] = np.nan
    rows = np.vstack([values, fresh])
    (theirs,) = made
    assert max(max(tree.threshold) for tree in found.trees) > 1e300
    plain = msgspec.json.decode(msgspec.json.encode(found), type=Boosted)
    raw = msgspec.structs.replace(plain, slope=1.0, offset=0.0).score(rows)
    assert raw == pytest.approx(theirs.predict_proba(rows)[:, 1], abs=1e-12)
    assert np.array_equal(plain.score(rows), found.score(rows))
    order = np.argsort(raw, kind="stable")
    assert (np.diff(found.score(rows)[order]) >= 0).all()
