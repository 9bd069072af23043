"""Linear models on tables, by scikit-learn: logistic regression, and ridge to elastic-net regression."""

from collections.abc import Mapping

from modelyard.algorithms.base import Algorithm, Channel, TrainingContext
from modelyard.algorithms.tables.parameters import CLASS_WEIGHT, COMMON, TABLE_FORMATS
from modelyard.types.jobs import AlgorithmDescription, Hyperparameter, HyperparameterType
from modelyard.types.models import Task
from modelyard.types.signatures import Scalar

_INTEGER, _NUMBER = HyperparameterType.INTEGER, HyperparameterType.NUMBER

_MAX_ITERATIONS = Hyperparameter(
    name="max_iterations",
    type=_INTEGER,
    default=1000,
    minimum=1,
    maximum=100_000,
    description="Most steps of the solver.",
)

CLASSIFICATION_HYPERPARAMETERS = (
    Hyperparameter(
        name="regularisation",
        type=_NUMBER,
        default=1.0,
        minimum=1e-6,
        maximum=1e6,
        description="Pull of the weights to zero (scikit-learn's 1/C): larger values give simpler models.",
    ),
    _MAX_ITERATIONS,
)
REGRESSION_HYPERPARAMETERS = (
    Hyperparameter(
        name="regularisation",
        type=_NUMBER,
        default=1.0,
        minimum=0,
        maximum=1e6,
        description="Pull of the weights to zero; 0 is ordinary least squares.",
    ),
    Hyperparameter(
        name="l1_share",
        type=_NUMBER,
        default=0.0,
        minimum=0,
        maximum=1,
        description="0: ridge. Above 0: elastic net, which sets weights of useless columns to zero; 1: lasso.",
    ),
    _MAX_ITERATIONS,
)


class LinearClassification(Algorithm):
    """See the module."""

    description = AlgorithmDescription(
        name="linear-classification",
        task=Task.TABULAR_CLASSIFICATION,
        description="Learns the class in a column of a table by logistic regression: fast, robust with few rows, and "
        "a baseline that anything else must beat.",
        input_formats=TABLE_FORMATS,
        hyperparameters=(*CLASSIFICATION_HYPERPARAMETERS, CLASS_WEIGHT, *COMMON),
        metrics=("accuracy", "balanced_accuracy", "macro_f1", "log_loss", "roc_auc"),
        objective="accuracy",
    )

    def train(
        self, channels: Mapping[str, Channel], hyperparameters: Mapping[str, Scalar], context: TrainingContext
    ) -> None:
        """Train on a CSV or Parquet table whose column `context.target` holds the class; see the base.

        Raises:
            TargetNotFoundError: the table has no such column.
            TargetInvalidError: fewer than two classes, too many, or numbers.
            ColumnsInvalidError: no column is left to learn from.
            TooFewRowsError: fewer than 20 rows with a target.
        """
        from modelyard.algorithms.tables.linear import LOGISTIC  # noqa: PLC0415 - scikit-learn takes two seconds
        from modelyard.algorithms.tables.training import train_classifier  # noqa: PLC0415

        train_classifier(channels, hyperparameters, self.description.name, context, LOGISTIC)


class LinearRegression(Algorithm):
    """See the module."""

    description = AlgorithmDescription(
        name="linear-regression",
        task=Task.TABULAR_REGRESSION,
        description="Learns the number in a column of a table by ridge or elastic-net regression: fast, robust with "
        "few rows, and a baseline that anything else must beat.",
        input_formats=TABLE_FORMATS,
        hyperparameters=(*REGRESSION_HYPERPARAMETERS, *COMMON),
        metrics=("rmse", "mae", "r2"),
        objective="rmse",
        is_objective_maximised=False,
    )

    def train(
        self, channels: Mapping[str, Channel], hyperparameters: Mapping[str, Scalar], context: TrainingContext
    ) -> None:
        """Train on a CSV or Parquet table whose column `context.target` holds the number; see the base.

        Raises:
            TargetNotFoundError: the table has no such column.
            TargetInvalidError: constant, or no numbers.
            ColumnsInvalidError: no column is left to learn from.
            TooFewRowsError: fewer than 20 rows with a target.
        """
        from modelyard.algorithms.tables.linear import LINEAR  # noqa: PLC0415 - scikit-learn takes two seconds
        from modelyard.algorithms.tables.training import train_regressor  # noqa: PLC0415

        train_regressor(channels, hyperparameters, self.description.name, context, LINEAR)
