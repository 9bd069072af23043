"""Linear autoregression: each step of the horizon is a ridge regression on chosen values of the window."""

from collections.abc import Sequence

import numpy as np

from modelyard.algorithms.forecasting.forecasters import LinearMap
from modelyard.algorithms.forecasting.seasons import Layout
from modelyard.algorithms.forecasting.units import Values


def fit_autoregression(layout: Layout, units: Values, targets: Values, penalties: Sequence[float]) -> LinearMap:
    """Fit to (n, window) and (n, horizon) in units; of several penalties the one that generalises best."""
    from sklearn.linear_model import RidgeCV  # noqa: PLC0415 - loaded by those that fit

    window = units.shape[1]
    places = layout.places + window - layout.window
    fitted = RidgeCV(penalties).fit(units[:, places], targets)
    weights = np.zeros((window, layout.horizon))
    weights[places] = np.atleast_2d(fitted.coef_).T
    return LinearMap(weights, np.atleast_1d(fitted.intercept_))
