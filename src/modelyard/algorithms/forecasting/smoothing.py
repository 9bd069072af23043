"""Exponential smoothing (Holt, Winters) with additive seasons and a trend that may fade.

With its parameters given, a forecast is a linear function of the window: so one matrix does what the recursion does,
and it is ONNX. The parameters are one set for all windows of all series, those with the least mean absolute error.

Source: R. Hyndman, G. Athanasopoulos, "Forecasting: Principles and Practice", 3rd edition, chapter 8.
"""

from dataclasses import dataclass

import numpy as np

from modelyard.algorithms.forecasting.forecasters import LinearMap
from modelyard.algorithms.forecasting.units import Values

_MOST_WINDOWS = 500
_MOST_EVALUATIONS = 150
_LOWEST_FADE = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Smoothing:
    """How quickly level, trend and season follow the values (0 to 1), and how much of a trend lasts a step longer."""

    level: float
    trend: float = 0.0
    season: float = 0.0
    fade: float = 1.0


def smoothing_map(smoothing: Smoothing, window: int, horizon: int, season: int) -> LinearMap:
    """The forecast as a matrix. Level, trend and seasons are kept as weights of the window's values."""
    values = np.eye(window)
    level = values[:season].mean(axis=0)
    trend = _first_trend(values, season) if smoothing.trend else np.zeros(window)
    seasons = values[:season] - level
    for place in range(season, window):
        expected, now = level + smoothing.fade * trend, place % season
        missed = values[place] - expected - seasons[now]
        level = expected + smoothing.level * missed
        trend = smoothing.fade * trend + smoothing.level * smoothing.trend * missed
        seasons[now] += smoothing.season * (1 - smoothing.level) * missed
    lasting = np.cumsum(smoothing.fade ** np.arange(1, horizon + 1))
    weights = [level + lasting[step] * trend + seasons[(window + step) % season] for step in range(horizon)]
    return LinearMap(np.stack(weights, axis=1), np.zeros(horizon))


def fit_smoothing(units: Values, targets: Values, season: int, trend: str) -> LinearMap:
    """Find the parameters.

    Args:
        units: (n, window).
        targets: (n, horizon).
        season: its length; 1: none.
        trend: "none", "additive", or "damped".
    """
    from scipy.optimize import minimize  # noqa: PLC0415 - loaded by those that fit

    chosen = np.unique(np.linspace(0, len(units) - 1, _MOST_WINDOWS).astype(int))
    pasts, futures = units[chosen], targets[chosen]
    free = 1 + (trend != "none") + (season > 1) + (trend == "damped")

    def loss(point: Values) -> float:
        found = smoothing_map(_read(point, season, trend), pasts.shape[1], futures.shape[1], season)
        return float(np.abs(pasts @ found.weights - futures).mean())

    start = np.array([0.0, -2.0, -2.0, 1.0])[:free]
    best = minimize(loss, start, method="Nelder-Mead", options={"maxfev": _MOST_EVALUATIONS, "xatol": 0.02})
    return smoothing_map(_read(best.x, season, trend), pasts.shape[1], futures.shape[1], season)


def _read(point: Values, season: int, trend: str) -> Smoothing:
    """Any numbers as parameters, in the order level, trend, season, fade, without those that are not wanted."""
    shares = iter((1 / (1 + np.exp(-np.clip(point, -20, 20)))).tolist())
    return Smoothing(
        level=next(shares),
        trend=next(shares) if trend != "none" else 0.0,
        season=next(shares) if season > 1 else 0.0,
        fade=_LOWEST_FADE + (1 - _LOWEST_FADE) * next(shares) if trend == "damped" else 1.0,
    )


def _first_trend(values: Values, season: int) -> Values:
    """The mean step from the first season to the second; without seasons, over the first half."""
    if season == 1:
        reach = max(1, len(values) // 2)
        return np.asarray((values[reach] - values[0]) / reach)
    if len(values) < 2 * season:
        return np.zeros(len(values))
    return np.asarray((values[season : 2 * season].mean(axis=0) - values[:season].mean(axis=0)) / season)
