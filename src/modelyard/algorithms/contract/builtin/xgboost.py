"""XGBoost: its own hyper-parameters, its own file `xgboost-model`.

Source: docs.aws.amazon.com/sagemaker/latest/dg/xgboost_hyperparameters.html.
"""

from typing import Any

import numpy as np

from modelyard.algorithms.contract.builtin.xgboost_metrics import is_more_better, split
from modelyard.algorithms.contract.builtin.xgboost_ranges import check_ranges
from modelyard.algorithms.contract.context import BuiltInJob
from modelyard.algorithms.contract.formats.tables import Table, read_table
from modelyard.algorithms.errors import HyperparameterInvalidError

ARTIFACT = "xgboost-model"
_OF_TRAINING = ("num_round", "early_stopping_rounds", "csv_weights", "_tuning_objective_metric", "_kfold", "nthread")


def train(job: BuiltInJob) -> None:
    """Train on the channel `train`, measured on `validation` if there is one."""
    import xgboost  # noqa: PLC0415 - each job loads one library

    rounds = job.integer("num_round")
    check_ranges(job)
    names = [name for name in ("train", "validation") if job.has(name)]
    matrices: list[tuple[Any, str]] = []
    for name in names:
        width = matrices[0][0].num_col() if matrices else 0
        table = read_table(job.data / name, job.content_types[name], width=width, absent=np.nan)
        matrices.append((_matrix(job, table), name))
    patience = job.integer("early_stopping_rounds") if "early_stopping_rounds" in job.given else None
    metrics = _metrics(job)
    parameters, custom_metric = _parameters(job, metrics)
    try:
        booster = xgboost.train(
            parameters,
            matrices[0][0],
            num_boost_round=rounds,
            evals=matrices,
            custom_metric=custom_metric,
            maximize=is_more_better(metrics),
            early_stopping_rounds=patience if len(matrices) > 1 else None,
            verbose_eval=False,
            callbacks=[_log(job)],
        )
    except xgboost.core.XGBoostError as error:
        reason = str(error).partition("Stack trace")[0].strip().rpartition(": ")[2]
        raise HyperparameterInvalidError(
            f"XGBoost refuses the job: {reason}"[:800], hint="Check the hyper-parameters and the labels."
        ) from error
    if patience is not None and len(matrices) > 1:
        booster = booster[: booster.best_iteration + 1]
    booster.save_model(job.model / f"{ARTIFACT}.ubj")
    (job.model / f"{ARTIFACT}.ubj").rename(job.model / ARTIFACT)


def _matrix(job: BuiltInJob, table: Table) -> Any:
    import xgboost  # noqa: PLC0415

    weights = None
    features = table.features
    if job.given.get("csv_weights") == "1":  # the column behind the label
        weights, features = features[:, 0], features[:, 1:]
    return xgboost.DMatrix(features, label=table.labelled(), weight=weights)


def _metrics(job: BuiltInJob) -> list[str]:
    """Names in `eval_metric`; none: the library chooses by the objective."""
    return [word.strip(" []'\"") for word in job.given["eval_metric"].split(",")] if "eval_metric" in job.given else []


def _parameters(job: BuiltInJob, metrics: list[str]) -> tuple[dict[str, Any], Any]:
    """What goes to XGBoost itself, which knows types; and a function of the metrics that it does not know."""
    given: dict[str, Any] = {name: value for name, value in job.given.items() if name not in _OF_TRAINING}
    parameters = {"objective": "reg:squarederror", "nthread": 1, **given}
    if not metrics:
        return parameters, None
    parameters["eval_metric"], custom_metric = split(metrics, parameters["objective"])
    return parameters | ({"disable_default_eval_metric": 1} if custom_metric else {}), custom_metric


def _log(job: BuiltInJob) -> Any:
    """Metrics of each round, in the log as AWS's image writes them."""
    import xgboost  # noqa: PLC0415

    class Log(xgboost.callback.TrainingCallback):  # the library has no types
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            del model
            words = []
            for channel, metrics in evals_log.items():
                for metric, values in metrics.items():
                    value = float(np.ravel(values[-1])[0])
                    words.append(f"{channel}-{metric}:{value:.5f}")
                    job.metric(f"{channel}:{metric}", value, epoch)
            job.log("\t".join([f"[{epoch}]", *words]))
            return False

    return Log()
