"""Ensembles on tables: several models of the other table algorithms that answer together."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from modelyard.algorithms.tables.algorithm import TableAlgorithm
from modelyard.algorithms.tables.parameters import COMMON, TABLE_FORMATS
from modelyard.types.jobs import AlgorithmDescription, Hyperparameter, HyperparameterType
from modelyard.types.models import Task
from modelyard.types.signatures import Scalar

if TYPE_CHECKING:
    from modelyard.algorithms.tables.models import Learner

_MEMBERS = Hyperparameter(
    name="members",
    type=HyperparameterType.STRING,
    default="",
    description="The models as JSON: a list of objects with `algorithm`, `weight` and `hyperparameters`. Empty: "
    "boosted trees, a forest, a linear model and a kernel machine, each with its defaults and the same weight.",
)
_SHARPNESS = Hyperparameter(
    name="sharpness",
    type=HyperparameterType.NUMBER,
    default=1.0,
    minimum=0.1,
    maximum=10,
    description="What the logarithms of the mean probabilities are multiplied by: above 1 answers are surer than the "
    "mean of the models.",
)


class EnsembleClassification(TableAlgorithm):
    """See the module."""

    description = AlgorithmDescription(
        name="ensemble-classification",
        task=Task.TABULAR_CLASSIFICATION,
        description="Learns the class in a column of a table by several models whose probabilities are averaged: what "
        "AutoML makes of its best candidates.",
        input_formats=TABLE_FORMATS,
        hyperparameters=(_MEMBERS, _SHARPNESS, *COMMON),
        metrics=("accuracy", "balanced_accuracy", "macro_f1", "log_loss", "roc_auc"),
        objective="accuracy",
        is_resumable=True,
    )

    def learner(self, hyperparameters: Mapping[str, Scalar]) -> "Learner":
        """See the base; refuses members that are no list of such algorithms."""
        from modelyard.algorithms.tables.ensembles import ensemble, read_members  # noqa: PLC0415 - see the base

        members = read_members(str(hyperparameters["members"]), is_classifier=True)
        return ensemble(members, float(hyperparameters["sharpness"]))


class EnsembleRegression(TableAlgorithm):
    """See the module."""

    description = AlgorithmDescription(
        name="ensemble-regression",
        task=Task.TABULAR_REGRESSION,
        description="Learns the number in a column of a table by several models whose answers are averaged: what "
        "AutoML makes of its best candidates.",
        input_formats=TABLE_FORMATS,
        hyperparameters=(_MEMBERS, *COMMON),
        metrics=("rmse", "mae", "r2"),
        objective="rmse",
        is_objective_maximised=False,
        is_resumable=True,
    )

    def learner(self, hyperparameters: Mapping[str, Scalar]) -> "Learner":
        """See the base; refuses members that are no list of such algorithms."""
        from modelyard.algorithms.tables.ensembles import ensemble, read_members  # noqa: PLC0415 - see the base

        return ensemble(read_members(str(hyperparameters["members"]), is_classifier=False))
