"""What XGBoost's container refuses before the library sees it: values out of the ranges that AWS gives.

Source: docs.aws.amazon.com/sagemaker/latest/dg/xgboost_hyperparameters.html.
"""

import math
from collections.abc import Mapping

from modelyard.algorithms.contract.context import BuiltInJob
from modelyard.algorithms.errors import HyperparameterInvalidError

_AT_LEAST_0 = (0.0, math.inf)
_SHARE = (0.0, 1.0)
_RANGES: Mapping[str, tuple[float, float]] = {
    **dict.fromkeys(("eta", "learning_rate", "rate_drop", "skip_drop", "subsample"), _SHARE),
    **dict.fromkeys(("colsample_bytree", "colsample_bylevel", "colsample_bynode"), _SHARE),
    **dict.fromkeys(("gamma", "min_split_loss", "max_depth", "min_child_weight", "max_delta_step"), _AT_LEAST_0),
    **dict.fromkeys(("lambda", "reg_lambda", "alpha", "reg_alpha", "max_leaves"), _AT_LEAST_0),
    "num_class": (2, math.inf),
    "tweedie_variance_power": (1.0, 2.0),
}
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "booster": ("gbtree", "gblinear", "dart"),
    "grow_policy": ("depthwise", "lossguide"),
    "tree_method": ("auto", "exact", "approx", "hist", "gpu_hist"),
    "objective": (
        *("binary:hinge", "binary:logistic", "binary:logitraw", "count:poisson"),
        *(
            "multi:softmax",
            "multi:softprob",
            "rank:map",
            "rank:ndcg",
            "rank:pairwise",
            "reg:absoluteerror",
            "reg:gamma",
        ),
        *("reg:linear", "reg:logistic", "reg:pseudohubererror", "reg:quantileerror", "reg:squarederror"),
        *("reg:squaredlogerror", "reg:tweedie", "survival:aft", "survival:cox"),
    ),
}


def check_ranges(job: BuiltInJob) -> None:
    """Nothing if every value is in its range.

    Raises:
        HyperparameterInvalidError: one is not, or a number of classes is wanted and not given.
    """
    for name, choices in _CHOICES.items():
        if name in job.given:
            job.text(name, choices=choices)
    for name, (least, most) in _RANGES.items():
        if name in job.given and not least <= job.number(name) <= most:
            limits = f"at least {least:g}" if most == math.inf else f"from {least:g} to {most:g}"
            raise HyperparameterInvalidError(
                f"The hyper-parameter '{name}' is {job.given[name][:100]}", hint=f"Give a number {limits}.", field=name
            )
    if job.given.get("objective", "").startswith("multi:") and "num_class" not in job.given:
        raise HyperparameterInvalidError(
            f"The objective '{job.given['objective']}' needs the hyper-parameter 'num_class'",
            hint="Give the number of classes; labels are 0, 1, ...",
            field="num_class",
        )
