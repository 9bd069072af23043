"""Gradient-boosted trees on tables, by XGBoost: classification and regression."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from modelyard.algorithms.tables.algorithm import TableAlgorithm
from modelyard.algorithms.tables.boosted.hyperparameters import HYPERPARAMETERS
from modelyard.algorithms.tables.parameters import CLASS_WEIGHT, COMMON, TABLE_FORMATS
from modelyard.types.jobs import AlgorithmDescription
from modelyard.types.models import Task
from modelyard.types.signatures import Scalar

if TYPE_CHECKING:
    from modelyard.algorithms.tables.models import Learner


class BoostedTreesClassification(TableAlgorithm):
    """See the module."""

    description = AlgorithmDescription(
        name="boosted-trees-classification",
        task=Task.TABULAR_CLASSIFICATION,
        description="Learns the class in a column of a table by gradient-boosted trees: the strongest choice for most "
        "tables, and missing values need no filling.",
        input_formats=TABLE_FORMATS,
        hyperparameters=(*HYPERPARAMETERS, CLASS_WEIGHT, *COMMON),
        metrics=("accuracy", "balanced_accuracy", "macro_f1", "log_loss", "roc_auc"),
        objective="accuracy",
        is_resumable=True,
    )

    def learner(self, hyperparameters: Mapping[str, Scalar]) -> "Learner":
        """See the base."""
        from modelyard.algorithms.tables.trees import boosted_trees  # noqa: PLC0415 - see the base

        return boosted_trees(hyperparameters)


class BoostedTreesRegression(TableAlgorithm):
    """See the module."""

    description = AlgorithmDescription(
        name="boosted-trees-regression",
        task=Task.TABULAR_REGRESSION,
        description="Learns the number in a column of a table by gradient-boosted trees: the strongest choice for most "
        "tables, and missing values need no filling.",
        input_formats=TABLE_FORMATS,
        hyperparameters=(*HYPERPARAMETERS, *COMMON),
        metrics=("rmse", "mae", "r2"),
        objective="rmse",
        is_objective_maximised=False,
        is_resumable=True,
    )

    def learner(self, hyperparameters: Mapping[str, Scalar]) -> "Learner":
        """See the base."""
        from modelyard.algorithms.tables.trees import boosted_trees  # noqa: PLC0415 - see the base

        return boosted_trees(hyperparameters)
