"""Ensembles on tables: several models of the other table algorithms that answer together."""

from collections.abc import Mapping

from modelyard.algorithms.base import Algorithm, Channel, TrainingContext
from modelyard.algorithms.tables.parameters import COMMON, TABLE_FORMATS
from modelyard.types.jobs import AlgorithmDescription, Hyperparameter, HyperparameterType
from modelyard.types.models import Task
from modelyard.types.signatures import Scalar

_MEMBERS = Hyperparameter(
    name="members",
    type=HyperparameterType.STRING,
    default="",
    description="The models as JSON: a list of objects with `algorithm`, `weight` and `hyperparameters`. Empty: "
    "boosted trees, a forest, a linear model and a kernel machine, each with its defaults and the same weight.",
)


class EnsembleClassification(Algorithm):
    """See the module."""

    description = AlgorithmDescription(
        name="ensemble-classification",
        task=Task.TABULAR_CLASSIFICATION,
        description="Learns the class in a column of a table by several models whose probabilities are averaged: what "
        "AutoML makes of its best candidates.",
        input_formats=TABLE_FORMATS,
        hyperparameters=(_MEMBERS, *COMMON),
        metrics=("accuracy", "balanced_accuracy", "macro_f1", "log_loss", "roc_auc"),
        objective="accuracy",
        is_resumable=True,
    )

    def train(
        self, channels: Mapping[str, Channel], hyperparameters: Mapping[str, Scalar], context: TrainingContext
    ) -> None:
        """Train on a CSV or Parquet table whose column `context.target` holds the class.

        Raises:
            HyperparameterInvalidError: the members are no list of table classifiers, or one of theirs does not fit.
            InvalidInputError: the data cannot be learnt from, as for boosted trees.
        """
        from modelyard.algorithms.tables.ensembles import ensemble, read_members  # noqa: PLC0415 - takes seconds
        from modelyard.algorithms.tables.training import train_classifier  # noqa: PLC0415

        members = read_members(str(hyperparameters["members"]), is_classifier=True)
        train_classifier(channels, hyperparameters, self.description.name, context, ensemble(members))


class EnsembleRegression(Algorithm):
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

    def train(
        self, channels: Mapping[str, Channel], hyperparameters: Mapping[str, Scalar], context: TrainingContext
    ) -> None:
        """Train on a CSV or Parquet table whose column `context.target` holds the number.

        Raises:
            HyperparameterInvalidError: the members are no list of table regressors, or one of theirs does not fit.
            InvalidInputError: the data cannot be learnt from, as for boosted trees.
        """
        from modelyard.algorithms.tables.ensembles import ensemble, read_members  # noqa: PLC0415 - takes seconds
        from modelyard.algorithms.tables.training import train_regressor  # noqa: PLC0415

        members = read_members(str(hyperparameters["members"]), is_classifier=False)
        train_regressor(channels, hyperparameters, self.description.name, context, ensemble(members))
