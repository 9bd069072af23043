"""Seasonal naive forecasts: what was at the same time of the last seasons. What every other forecast must beat."""

import numpy as np

from modelyard.algorithms.forecasting.forecasters import LinearMap


def seasonal_naive(window: int, horizon: int, season: int, repeats: int = 1) -> LinearMap:
    """The mean of the last `repeats` seasons, as far as the window has them; a season of 1 repeats the last value."""
    repeats = max(1, min(repeats, window // season))
    weights = np.zeros((window, horizon))
    for step in range(horizon):
        for back in range(1, repeats + 1):
            weights[window - back * season + step % season, step] = 1 / repeats
    return LinearMap(weights, np.zeros(horizon))
