"""A classifier's labels are those of its own `predict`, in as few passes as that takes."""

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from modelyard.runtimes.formats.skops import SkopsPredictor, estimator_signature

CHANCE = np.random.default_rng(4)
ROWS = CHANCE.integers(0, 4, (400, 3)).astype(np.float32)
TARGET = np.array(["b", "c", "a"])[CHANCE.integers(0, 3, 400)]


@pytest.mark.parametrize(
    ("estimator", "asks_predict"),
    [
        (RandomForestClassifier(7, random_state=0), False),  # so few trees that votes are often equal
        (ExtraTreesClassifier(4, random_state=0), False),
        (HistGradientBoostingClassifier(max_iter=5), False),
        (LogisticRegression(), True),
        (SVC(), True),
    ],
    ids=lambda value: type(value).__name__,
)
def test_labels_are_those_of_predict(estimator, asks_predict: bool, monkeypatch: pytest.MonkeyPatch):
    want = estimator.fit(ROWS, TARGET).predict(ROWS)
    predictor = SkopsPredictor(estimator, estimator_signature(estimator), 1)
    asked, predict = [], type(estimator).predict
    monkeypatch.setattr(type(estimator), "predict", lambda self, rows: asked.append(len(rows)) or predict(self, rows))
    assert predictor.predict({"numeric": ROWS})["label"].tolist() == want.tolist()
    assert asked == ([len(ROWS)] if asks_predict else [])
