"""Kernel machines on tables, by scikit-learn: logistic and ridge regression over smooth functions of the columns."""

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
    Hyperparameter(
        name="gamma",
        type=_NUMBER,
        default=0.5,
        minimum=1e-4,
        maximum=100,
        description="How quickly answers may change, on scaled columns and divided by their number: small values give "
        "smoother models.",
    ),
    Hyperparameter(
        name="regularisation",
        type=_NUMBER,
        default=0.1,
        minimum=1e-6,
        maximum=1e6,
        description="Pull of the weights to zero: larger values give simpler models.",
    ),
    Hyperparameter(
        name="waves",
        type=_INTEGER,
        default=500,
        minimum=10,
        maximum=5000,
        description="Random functions that stand for the kernel: more are closer to it, and slower.",
    ),
    Hyperparameter(
        name="max_iterations",
        type=_INTEGER,
        default=1000,
        minimum=1,
        maximum=100_000,
        description="Most steps of the solver.",
    ),
)


class KernelClassification(TableAlgorithm):
    """See the module."""

    description = AlgorithmDescription(
        name="kernel-classification",
        task=Task.TABULAR_CLASSIFICATION,
        description="Learns the class in a column of a table by a kernel machine: smooth borders, strong with few rows "
        "of numbers.",
        input_formats=TABLE_FORMATS,
        hyperparameters=(*HYPERPARAMETERS, CLASS_WEIGHT, *COMMON),
        metrics=("accuracy", "balanced_accuracy", "macro_f1", "log_loss", "roc_auc"),
        objective="accuracy",
    )

    def learner(self, hyperparameters: Mapping[str, Scalar]) -> "Learner":
        """See the base."""
        del hyperparameters  # the fit takes them
        from modelyard.algorithms.tables.kernels import KERNEL_LOGISTIC  # noqa: PLC0415 - see the base

        return KERNEL_LOGISTIC


class KernelRegression(TableAlgorithm):
    """See the module."""

    description = AlgorithmDescription(
        name="kernel-regression",
        task=Task.TABULAR_REGRESSION,
        description="Learns the number in a column of a table by a kernel machine: smooth curves, strong with few rows "
        "of numbers.",
        input_formats=TABLE_FORMATS,
        hyperparameters=(*HYPERPARAMETERS, *COMMON),
        metrics=("rmse", "mae", "r2"),
        objective="rmse",
        is_objective_maximised=False,
    )

    def learner(self, hyperparameters: Mapping[str, Scalar]) -> "Learner":
        """See the base."""
        del hyperparameters  # the fit takes them
        from modelyard.algorithms.tables.kernels import KERNEL_RIDGE  # noqa: PLC0415 - see the base

        return KERNEL_RIDGE
