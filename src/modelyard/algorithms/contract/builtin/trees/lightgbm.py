"""LightGBM: its own hyper-parameters under AWS's defaults, its own file `model.txt`.

Source: docs.aws.amazon.com/sagemaker/latest/dg/lightgbm-hyperparameters.html.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.contract.builtin.trees.boosting import (
    CLASSIFICATION,
    REGRESSION,
    Data,
    chosen,
    class_count,
    read_data,
)
from modelyard.algorithms.contract.context import BuiltInJob
from modelyard.algorithms.contract.formats.tables import Table
from modelyard.algorithms.errors import HyperparameterInvalidError

ARTIFACT = "model.txt"
_DEFAULTS = {
    "learning_rate": "0.009",
    "num_leaves": "67",
    "feature_fraction": "0.74",
    "bagging_fraction": "0.53",
    "bagging_freq": "5",
    "max_depth": "11",
    "min_data_in_leaf": "26",
}
_OF_TRAINING = ("num_boost_round", "early_stopping_rounds", "num_threads", "use_dask", "verbosity")
_FIXED = {"num_threads": 1, "seed": 0, "deterministic": True, "force_row_wise": True, "verbosity": -1}


def train(job: BuiltInJob) -> None:
    """Train on the channel `train`, stopped by `validation`."""
    import lightgbm  # noqa: PLC0415 - each job loads one library

    data = read_data(job)
    rounds, patience = job.integer("num_boost_round", 5000), job.integer("early_stopping_rounds", 30)
    parameters = {**_FIXED, **chosen(job, _DEFAULTS, _OF_TRAINING), **_objective(job, data)}
    rows = lightgbm.Dataset(*_arrays(data.train), categorical_feature=list(data.categories), params=parameters)
    held = lightgbm.Dataset(*_arrays(data.validation), reference=rows, params=parameters)
    try:
        booster = lightgbm.train(
            parameters,
            rows,
            rounds,
            valid_sets=[rows, held],
            valid_names=["train", "validation"],
            callbacks=[lightgbm.early_stopping(patience, first_metric_only=True, verbose=False), _log(job)],
        )
    except (lightgbm.basic.LightGBMError, ValueError, TypeError) as error:
        raise HyperparameterInvalidError(
            f"LightGBM refuses the job: {error}"[:800], hint="Check the hyper-parameters and the labels."
        ) from error
    booster.save_model(job.model / ARTIFACT, num_iteration=booster.best_iteration)


def _arrays(table: Table) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Features and labels; LightGBM warns of what is a part of another array."""
    return np.ascontiguousarray(table.features), np.ascontiguousarray(table.labelled())


def _objective(job: BuiltInJob, data: Data) -> dict[str, Any]:
    """What the name of the algorithm says; the bare name leaves it to the hyper-parameter `objective`."""
    if job.algorithm.endswith(REGRESSION):
        return {"objective": "regression"}
    if not job.algorithm.endswith(CLASSIFICATION):
        return {}
    classes = class_count(job, data.train.labelled())
    return {"objective": "multiclass", "num_class": classes} if classes > 2 else {"objective": "binary"}  # noqa: PLR2004


def _log(job: BuiltInJob) -> Any:
    """Metrics of each round."""

    def after_round(environment: Any) -> None:  # the library has no types
        words = []
        for channel, metric, value, *_ in environment.evaluation_result_list:
            words.append(f"{channel}'s {metric}: {value:.6g}")
            job.metric(f"{channel}:{metric}", value, environment.iteration)
        job.log("\t".join([f"[{environment.iteration}]", *words]))

    return after_round
