"""CatBoost, an extra: its own hyper-parameters under AWS's defaults, its own file `model.cbm`.

Source: docs.aws.amazon.com/sagemaker/latest/dg/catboost-hyperparameters.html.
"""

from typing import Any

from modelyard.algorithms.contract.builtin.trees.boosting import CLASSIFICATION, Data, chosen, class_count, read_data
from modelyard.algorithms.contract.context import BuiltInJob
from modelyard.algorithms.errors import ChannelInvalidError, HyperparameterInvalidError

ARTIFACT = "model.cbm"
_DEFAULTS = {
    "iterations": "500",
    "learning_rate": "0.009",
    "depth": "6",
    "l2_leaf_reg": "3",
    "random_strength": "1.0",
}
_OF_TRAINING = ("early_stopping_rounds", "thread_count", "verbose", "random_seed", "allow_writing_files")
_INTEGERS = ("iterations", "depth", "max_leaves", "min_data_in_leaf", "border_count", "max_bin")


def train(job: BuiltInJob) -> None:
    """Train on the channel `train`, stopped by `validation`."""
    catboost = _library()
    data = read_data(job)
    if data.categories:
        raise ChannelInvalidError(
            "Categories of CatBoost are not taken under AWS's name",
            hint="Leave categorical_index.json out, or train with a script, whose model is served with categories.",
            field="channels",
        )
    rows, held = (catboost.Pool(table.features, table.labelled()) for table in (data.train, data.validation))
    try:
        model = catboost.CatBoost(_parameters(job, data))
        model.fit(rows, eval_set=held, early_stopping_rounds=job.integer("early_stopping_rounds", 5))
    except (catboost.CatBoostError, TypeError, ValueError) as error:
        raise HyperparameterInvalidError(
            f"CatBoost refuses the job: {error}"[:800], hint="Check the hyper-parameters and the labels."
        ) from error
    for channel, metrics in model.get_evals_result().items():
        told = "train" if channel == "learn" else "validation"
        for metric, values in metrics.items():
            for step, value in enumerate(values):
                job.metric(f"{told}:{metric}", value, step)
    job.log(f"{model.tree_count_} trees are kept")
    model.save_model(str(job.model / ARTIFACT))


def _library() -> Any:
    try:
        import catboost  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise HyperparameterInvalidError(
            "CatBoost is not installed here", hint="Install modelyard[catboost] where the platform runs."
        ) from error
    return catboost


def _parameters(job: BuiltInJob, data: Data) -> dict[str, Any]:
    """What goes to CatBoost itself. The bare name leaves the loss to the hyper-parameter `loss_function`."""
    words = chosen(job, _DEFAULTS, _OF_TRAINING)
    given: dict[str, Any] = {name: _typed(name, value) for name, value in words.items()}
    if job.algorithm.endswith(CLASSIFICATION):
        is_binary = class_count(job, data.train.labelled()) == 2  # noqa: PLR2004
        given["loss_function"] = "Logloss" if is_binary else "MultiClass"
    elif job.algorithm != "catboost":
        given["loss_function"] = "RMSE"
    return {**given, "random_seed": 0, "thread_count": 1, "allow_writing_files": False, "verbose": 100}


def _typed(name: str, value: str) -> str | float:
    """CatBoost takes numbers as numbers."""
    try:
        number = float(value)
    except ValueError:
        return value
    return int(number) if name in _INTEGERS and number == int(number) else number
