"""Forests answered by their trees: the same numbers as scikit-learn's own, without what it does around each tree.

For every tree of every call scikit-learn makes a job, checks that the tree is fitted and the input is valid, and sets
its configuration and warning filters anew. All of that has one answer for all calls: on a busy machine a row took 100
trees 8,700 us, of which 450 were their own. What is left is their sum in their order, to the last bit.
"""

import warnings
from typing import Any

import numpy as np

from modelyard.runtimes.base import Tensor

_PROBE_ROWS = 64


class Forest:
    """The trees of a fitted forest with one target. Not thread-safe."""

    def __init__(self, estimator: Any) -> None:
        self._trees = [member.tree_ for member in estimator.estimators_]
        self._width = int(estimator.n_classes_) if hasattr(estimator, "n_classes_") else 1

    def mean(self, rows: Tensor) -> Tensor:
        """The mean of what the trees say: `(n, classes)` probabilities of a classifier, `(n, 1)` of a regressor.

        Args:
            rows: `(n, features) float32`, C-contiguous, all of them finite.
        """
        total = np.zeros((len(rows), self._width))
        for tree in self._trees:
            total += tree.predict(rows)[:, : self._width]
        total /= len(self._trees)
        return total


def forest_of(estimator: Any) -> Forest | None:
    """The trees of `estimator`, if it is a forest and they are proven to answer as it does; else None.

    Its jobs are given up for that: an estimator that is to use several threads keeps its own way.
    """
    from sklearn import ensemble  # noqa: PLC0415 - 2.3 s, needed by this format only

    classifiers = (ensemble.RandomForestClassifier, ensemble.ExtraTreesClassifier)
    regressors = (ensemble.RandomForestRegressor, ensemble.ExtraTreesRegressor)
    if type(estimator) not in (*classifiers, *regressors) or getattr(estimator, "n_outputs_", 0) != 1:
        return None
    forest = Forest(estimator)
    chance = np.random.default_rng(0)
    rows = chance.normal(scale=10.0, size=(_PROBE_ROWS, estimator.n_features_in_)).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of column names, which the rows lack
        if isinstance(estimator, classifiers):
            expected = np.asarray(estimator.predict_proba(rows))
        else:
            expected = np.asarray(estimator.predict(rows)).reshape(-1, 1)
    return forest if np.array_equal(forest.mean(rows), expected) else None
