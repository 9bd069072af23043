"""What is tried on time series: forecasters to begin with, and where their hyper-parameters are looked for."""

from collections.abc import Mapping, Sequence

from modelyard.algorithms.automl.spaces import Space
from modelyard.types.signatures import Scalar
from modelyard.types.tuning.searches import Range

Start = tuple[tuple[str, Mapping[str, Scalar]], ...]

_NAIVE, _SMOOTHING = "seasonal-naive-forecasting", "exponential-smoothing-forecasting"
_LINEAR, _TREES = "linear-forecasting", "boosted-trees-forecasting"
_PLAIN_CONTEXT = 8
_STOPPED: Mapping[str, Scalar] = {"rounds": 1000, "early_stopping_rounds": 20}
_TREES_START: Mapping[str, Scalar] = {"learning_rate": 0.05, "max_depth": 4, "subsample": 0.8, "colsample_bytree": 0.8}


def series_start(seasons: Sequence[int], *, is_positive: bool) -> Start:
    """A mixed handful, the quickest first; the seasonal naive forecast is among it.

    Each says what its space has ranges of, also where that is the default: a search begins from it.
    """
    season = {"season": min(seasons)} if seasons else {}
    near = {"context": min(seasons, default=_PLAIN_CONTEXT)}
    found: list[tuple[str, Mapping[str, Scalar]]] = [
        (_LINEAR, {"regularisation": 10.0, **near}),
        (_NAIVE, {}),
        (_SMOOTHING, {"trend": "damped", **season}),
        (_TREES, {**_STOPPED, **_TREES_START, **near}),
        (_LINEAR, {"regularisation": 1.0, "context": 3}),
        (_SMOOTHING, {"trend": "none", **season}),
        (_TREES, {**_STOPPED, **near, "differences": False}),
    ]
    if seasons:
        found += [(_NAIVE, {"season": 1}), (_NAIVE, {"repeats": 3})]
    if is_positive:
        found += [
            (_SMOOTHING, {"trend": "damped", "transform": "log", **season}),
            (_LINEAR, {"transform": "log", **near}),
        ]
    return tuple(found)


def series_spaces(seasons: Sequence[int], *, is_positive: bool) -> Mapping[str, Space]:
    """Of all but the naive ones, which have nothing to look for."""
    transform = {"transform": Range(values=("none", "log"))} if is_positive else {}
    season = {"season": Range(values=(*seasons, 1))} if seasons else {}
    seasonal = {"seasonal": Range(values=(True, False))} if seasons else {}
    reach = max(seasons, default=_PLAIN_CONTEXT)
    context = {"context": Range(low=2, high=2 * reach, is_whole=True, is_log=True)}
    return {
        _LINEAR: Space(
            ranges={
                "regularisation": Range(low=1e-2, high=1e4, is_log=True),
                **context,
                **seasonal,
                **transform,
            },
            fixed={},
            cheap={"context": 2},
        ),
        _SMOOTHING: Space(
            ranges={"trend": Range(values=("none", "additive", "damped")), **season, **transform},
            fixed={},
            cheap={"trend": "none"},
        ),
        _TREES: Space(
            ranges={
                "learning_rate": Range(low=0.01, high=0.3, is_log=True),
                "max_depth": Range(low=2, high=8, is_whole=True),
                "min_child_weight": Range(low=0.5, high=30, is_log=True),
                "subsample": Range(low=0.5, high=1.0),
                "colsample_bytree": Range(low=0.3, high=1.0),
                "reg_lambda": Range(low=0.01, high=30, is_log=True),
                "differences": Range(values=(True, False)),
                **context,
                **transform,
            },
            fixed=_STOPPED,
            cheap={"learning_rate": 0.1, "max_depth": 3, "context": 2},
        ),
    }
