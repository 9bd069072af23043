"""Forests on tables, by scikit-learn: many independent trees that vote, for classification and regression."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from modelyard.algorithms.tables.algorithm import TableAlgorithm
from modelyard.algorithms.tables.parameters import CLASS_WEIGHT, COMMON, TABLE_FORMATS
from modelyard.types.jobs import AlgorithmDescription, Hyperparameter, HyperparameterType
from modelyard.types.models import Task
from modelyard.types.signatures import Scalar

if TYPE_CHECKING:
    from modelyard.algorithms.tables.models import Learner

_INTEGER, _NUMBER = HyperparameterType.INTEGER, HyperparameterType.NUMBER

HYPERPARAMETERS = (
    Hyperparameter(name="trees", type=_INTEGER, default=100, minimum=1, maximum=2000, description="Trees that vote."),
    Hyperparameter(
        name="max_depth", type=_INTEGER, default=14, minimum=1, maximum=24, description="Questions a tree may ask."
    ),
    Hyperparameter(
        name="min_rows_in_leaf",
        type=_INTEGER,
        default=1,
        minimum=1,
        maximum=100_000,
        description="Least rows in a leaf: larger values give simpler trees.",
    ),
    Hyperparameter(
        name="max_features",
        type=_NUMBER,
        default=0.0,
        minimum=0,
        maximum=1,
        description="Share of the columns that each question is chosen from; 0: the square root of their number.",
    ),
    Hyperparameter(
        name="random_thresholds",
        type=HyperparameterType.BOOLEAN,
        default=False,
        description="Thresholds are drawn and every tree sees all rows (extremely randomised trees): smoother answers.",
    ),
)


class ForestClassification(TableAlgorithm):
    """See the module."""

    description = AlgorithmDescription(
        name="forest-classification",
        task=Task.TABULAR_CLASSIFICATION,
        description="Learns the class in a column of a table by many independent trees that vote: hardly anything to "
        "set, and strong with few rows.",
        input_formats=TABLE_FORMATS,
        hyperparameters=(*HYPERPARAMETERS, CLASS_WEIGHT, *COMMON),
        metrics=("accuracy", "balanced_accuracy", "macro_f1", "log_loss", "roc_auc"),
        objective="accuracy",
    )

    def learner(self, hyperparameters: Mapping[str, Scalar]) -> "Learner":
        """See the base."""
        del hyperparameters  # the fit takes them
        from modelyard.algorithms.tables.forests import FOREST  # noqa: PLC0415 - see the base

        return FOREST


class ForestRegression(TableAlgorithm):
    """See the module."""

    description = AlgorithmDescription(
        name="forest-regression",
        task=Task.TABULAR_REGRESSION,
        description="Learns the number in a column of a table by the mean of many independent trees: hardly anything "
        "to set, and strong with few rows.",
        input_formats=TABLE_FORMATS,
        hyperparameters=(*HYPERPARAMETERS, *COMMON),
        metrics=("rmse", "mae", "r2"),
        objective="rmse",
        is_objective_maximised=False,
    )

    def learner(self, hyperparameters: Mapping[str, Scalar]) -> "Learner":
        """See the base."""
        del hyperparameters  # the fit takes them
        from modelyard.algorithms.tables.forests import FOREST  # noqa: PLC0415 - see the base

        return FOREST
