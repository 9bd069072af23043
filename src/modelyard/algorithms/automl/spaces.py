"""What is tried: candidates to begin with, and where each algorithm's hyper-parameters are looked for."""

from collections.abc import Mapping
from dataclasses import dataclass

from modelyard.types.signatures import Scalar
from modelyard.types.tuning.searches import Range


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """Of one algorithm.

    Attributes:
        ranges: hyper-parameter -> where it is looked for.
        fixed: those that all candidates share.
        cheap: values that make a candidate quick: where a cost-aware search begins.
    """

    ranges: Mapping[str, Range]
    fixed: Mapping[str, Scalar]
    cheap: Mapping[str, Scalar]


_TREES = Space(
    ranges={
        "learning_rate": Range(low=0.01, high=0.3, is_log=True),
        "max_depth": Range(low=2, high=10, is_whole=True),
        "min_child_weight": Range(low=0.1, high=30, is_log=True),
        "subsample": Range(low=0.5, high=1.0),
        "colsample_bytree": Range(low=0.3, high=1.0),
        "reg_lambda": Range(low=0.01, high=30, is_log=True),
    },
    fixed={"rounds": 2000, "early_stopping_rounds": 30},
    cheap={"learning_rate": 0.1, "max_depth": 4},
)
_FOREST = Space(
    ranges={
        "max_depth": Range(low=6, high=20, is_whole=True),
        "min_rows_in_leaf": Range(low=1, high=20, is_whole=True, is_log=True),
        "max_features": Range(low=0.1, high=1.0),
        "random_thresholds": Range(values=(True, False)),
    },
    fixed={"trees": 200},
    cheap={"max_features": 0.3},
)
_LOGISTIC = Space(ranges={"regularisation": Range(low=1e-3, high=1e3, is_log=True)}, fixed={}, cheap={})
_KERNEL = Space(
    ranges={
        "gamma": Range(low=0.01, high=5.0, is_log=True),
        "regularisation": Range(low=1e-3, high=100, is_log=True),
    },
    fixed={},
    cheap={"gamma": 0.3},
)
_LINEAR = Space(
    ranges={
        "regularisation": Range(low=1e-3, high=1e4, is_log=True),
        "l1_share": Range(values=(0.0, 0.5, 1.0)),
    },
    fixed={},
    cheap={},
)
_SPACES = {
    "boosted-trees-classification": _TREES,
    "boosted-trees-regression": _TREES,
    "forest-classification": _FOREST,
    "forest-regression": _FOREST,
    "kernel-classification": _KERNEL,
    "kernel-regression": _KERNEL,
    "linear-classification": _LOGISTIC,
    "linear-regression": _LINEAR,
}

_START: tuple[tuple[str, Mapping[str, Scalar]], ...] = (
    ("linear", {"regularisation": 1.0}),
    ("forest", {"trees": 200, "random_thresholds": True, "max_depth": 20}),
    ("kernel", {"gamma": 0.5, "regularisation": 0.1}),
    ("boosted-trees", {"learning_rate": 0.1, "max_depth": 6}),
    ("forest", {"trees": 200, "max_depth": 24}),
    ("linear", {"regularisation": 0.03}),
    ("boosted-trees", {"learning_rate": 0.3, "max_depth": 6, "rounds": 100, "early_stopping_rounds": 0}),
    ("kernel", {"gamma": 0.1, "regularisation": 0.1}),
    ("boosted-trees", {"learning_rate": 0.05, "max_depth": 4, "subsample": 0.8, "colsample_bytree": 0.8}),
    ("linear", {"regularisation": 30.0}),
    (
        "boosted-trees",
        {"learning_rate": 0.03, "max_depth": 8, "subsample": 0.8, "colsample_bytree": 0.5, "min_child_weight": 5.0},
    ),
)
"""A mixed handful: the quickest first, then one of each kind, so that a short time has seen all of them.

What XGBoost and a random forest do when nobody sets anything is among it. Each is judged on all folds: the search
begins from what they show.
"""
_MANY_ROWS = 5000
"""From here on a kernel machine is slower than boosted trees."""
_FOREST_OF_NUMBERS: Mapping[str, Scalar] = {"max_features": 1.0}
"""The usual random forest chooses among all columns for numbers, and among the root of their count for classes."""


def table_spaces(*, is_classifier: bool) -> dict[str, Space]:
    """Where the hyper-parameters of the algorithms for tables are looked for."""
    ending = "-classification" if is_classifier else "-regression"
    return {name: space for name, space in _SPACES.items() if name.endswith(ending)}


def start(*, is_classifier: bool, rows: int = 0) -> tuple[tuple[str, dict[str, Scalar]], ...]:
    """Algorithms and hyper-parameters to begin with; kernel machines last where there are many rows."""
    task = "classification" if is_classifier else "regression"
    usual: Mapping[str, Mapping[str, Scalar]] = {} if is_classifier else {"forest": _FOREST_OF_NUMBERS}
    ordered = sorted(_START, key=lambda each: rows > _MANY_ROWS and each[0] == "kernel")
    return tuple(
        (f"{family}-{task}", {**_SPACES[f"{family}-{task}"].fixed, **usual.get(family, {}), **given})
        for family, given in ordered
    )
