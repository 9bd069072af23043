"""Forests are answered by their trees, with the same bits as scikit-learn's own answers."""

from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)

from modelyard.runtimes.base import PredictionFailedError
from modelyard.runtimes.formats.skops import SkopsPredictor, estimator_signature

CHANCE = np.random.default_rng(9)
ROWS = CHANCE.normal(size=(300, 5)).astype(np.float32)
CLASSES = np.array(["x", "y", "z"])[CHANCE.integers(0, 3, 300)]
NUMBERS = ROWS[:, 0] * 3 + CHANCE.normal(size=300)


def predictor_of(estimator: Any, threads: int = 1) -> SkopsPredictor:
    return SkopsPredictor(estimator, estimator_signature(estimator), threads)


def count_calls(estimator: Any, method: str, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    own, calls = getattr(type(estimator), method), []
    monkeypatch.setattr(type(estimator), method, lambda self, rows: calls.append(len(rows)) or own(self, rows))
    return calls


@pytest.mark.parametrize("kind", [RandomForestClassifier, ExtraTreesClassifier])
def test_classifiers(kind: type, monkeypatch: pytest.MonkeyPatch):
    estimator = kind(20, random_state=1).fit(ROWS, CLASSES)
    predictor = predictor_of(estimator)
    labels, probabilities = estimator.predict(ROWS), estimator.predict_proba(ROWS).astype(np.float32)
    calls = count_calls(estimator, "predict_proba", monkeypatch)
    answer = predictor.predict({"numeric": ROWS})
    assert answer["label"].tolist() == labels.tolist()
    np.testing.assert_array_equal(answer["probabilities"], probabilities)
    assert not calls


@pytest.mark.parametrize("kind", [RandomForestRegressor, ExtraTreesRegressor])
def test_regressors(kind: type, monkeypatch: pytest.MonkeyPatch):
    estimator = kind(20, random_state=1).fit(ROWS, NUMBERS)
    predictor = predictor_of(estimator)
    expected = predictor_of(estimator, threads=1)._answer(ROWS.astype(np.float64))
    calls = count_calls(estimator, "predict", monkeypatch)
    answer = predictor.predict({"numeric": ROWS})
    assert not calls
    assert answer.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(answer[name], values)


def test_missing_values_go_the_way_that_scikit_learn_says():
    holes = np.where(CHANCE.random(ROWS.shape) < 0.2, np.nan, ROWS).astype(np.float32)
    estimator = RandomForestClassifier(20, random_state=1).fit(holes, CLASSES)
    answer = predictor_of(estimator).predict({"numeric": holes})
    assert answer["label"].tolist() == estimator.predict(holes).tolist()


def test_infinity_is_refused_as_ever():
    predictor = predictor_of(RandomForestClassifier(5, random_state=1).fit(ROWS, CLASSES))
    with pytest.raises(PredictionFailedError, match="infinity"):
        predictor.predict({"numeric": np.full((1, 5), np.inf, np.float32)})


def test_a_forest_that_differs_from_its_trees_keeps_its_own_way(monkeypatch: pytest.MonkeyPatch):
    estimator = RandomForestClassifier(5, random_state=1).fit(ROWS, CLASSES)
    own = RandomForestClassifier.predict_proba
    monkeypatch.setattr(RandomForestClassifier, "predict_proba", lambda self, rows: own(self, rows)[:, ::-1])
    answer = predictor_of(estimator).predict({"numeric": ROWS})
    np.testing.assert_array_equal(answer["probabilities"], own(estimator, ROWS)[:, ::-1].astype(np.float32))


def test_a_forest_with_several_jobs_and_threads_keeps_them(monkeypatch: pytest.MonkeyPatch):
    estimator = RandomForestClassifier(5, random_state=1, n_jobs=2).fit(ROWS, CLASSES)
    predictor = predictor_of(estimator, threads=2)
    calls = count_calls(estimator, "predict_proba", monkeypatch)
    predictor.predict({"numeric": ROWS})
    assert calls == [len(ROWS)]
