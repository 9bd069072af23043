"""Gradient-boosted trees on tables, by XGBoost: classification and regression."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from modelyard.algorithms.base import TableAlgorithm
from modelyard.algorithms.tables.parameters import CLASS_WEIGHT, COMMON, TABLE_FORMATS
from modelyard.types.jobs import AlgorithmDescription, Hyperparameter, HyperparameterType
from modelyard.types.models import Task
from modelyard.types.signatures import Scalar

if TYPE_CHECKING:
    from modelyard.algorithms.tables.models import Learner

_INTEGER, _NUMBER = HyperparameterType.INTEGER, HyperparameterType.NUMBER

HYPERPARAMETERS = (
    Hyperparameter(
        name="rounds", type=_INTEGER, default=300, minimum=1, maximum=10_000, description="Most trees (per class)."
    ),
    Hyperparameter(
        name="early_stopping_rounds",
        type=_INTEGER,
        default=20,
        minimum=0,
        maximum=1000,
        description="Stop when a tenth of the rows, set aside, has not improved for so many rounds; 0 trains on all.",
    ),
    Hyperparameter(
        name="learning_rate",
        type=_NUMBER,
        default=0.1,
        minimum=0.001,
        maximum=1,
        description="How much each tree counts.",
    ),
    Hyperparameter(
        name="max_depth", type=_INTEGER, default=6, minimum=1, maximum=16, description="Questions a tree may ask."
    ),
    Hyperparameter(
        name="min_child_weight",
        type=_NUMBER,
        default=1.0,
        minimum=0,
        maximum=1e6,
        description="Least weight of rows in a leaf: larger values give simpler trees.",
    ),
    Hyperparameter(
        name="subsample",
        type=_NUMBER,
        default=1.0,
        minimum=0.05,
        maximum=1,
        description="Share of the rows that each tree sees.",
    ),
    Hyperparameter(
        name="colsample_bytree",
        type=_NUMBER,
        default=1.0,
        minimum=0.01,
        maximum=1,
        description="Share of the columns that each tree sees.",
    ),
    Hyperparameter(
        name="reg_lambda",
        type=_NUMBER,
        default=1.0,
        minimum=0,
        maximum=1e6,
        description="Pull of leaf values to zero.",
    ),
    Hyperparameter(
        name="schedule",
        type=HyperparameterType.STRING,
        default="",
        description='Changes on the way: [{"from": 100, "learning_rate": 0.05}] lowers the rate from round 100 on. All '
        "of the above but the rounds may change.",
    ),
)


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
