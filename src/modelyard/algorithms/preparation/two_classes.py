"""Models of two classes as softmax takes them: softmax([0, m]) is the sigmoid of m."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression


def with_first_class(second: NDArray[Any]) -> NDArray[Any]:
    """Noughts for the first class beside what the second one has: (..., 1) becomes (..., 2)."""
    return np.concatenate([np.zeros_like(second), second], axis=-1)


def logistic_weights(model: "LogisticRegression") -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The weights (features, classes) and bias (classes,) of a fitted model: scikit-learn keeps one column of two."""
    weights, bias = np.asarray(model.coef_).T, np.asarray(model.intercept_)
    if weights.shape[1] == 1:
        return with_first_class(weights), with_first_class(bias)
    return weights, bias
