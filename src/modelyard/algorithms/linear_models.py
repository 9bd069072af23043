"""Linear models on tables, by scikit-learn: logistic regression, and ridge to elastic-net regression."""

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


class LinearClassification(TableAlgorithm):
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

    def learner(self, hyperparameters: Mapping[str, Scalar]) -> "Learner":
        """See the base."""
        del hyperparameters  # the fit takes them
        from modelyard.algorithms.tables.linear import LOGISTIC  # noqa: PLC0415 - see the base

        return LOGISTIC


class LinearRegression(TableAlgorithm):
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

    def learner(self, hyperparameters: Mapping[str, Scalar]) -> "Learner":
        """See the base."""
        del hyperparameters  # the fit takes them
        from modelyard.algorithms.tables.linear import LINEAR  # noqa: PLC0415 - see the base

        return LINEAR
