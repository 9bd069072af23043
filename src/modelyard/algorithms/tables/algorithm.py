"""What the algorithms have in common that learn a column of a table."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING

from modelyard.algorithms.base import Algorithm, Channel, TrainingContext
from modelyard.types.models import Task
from modelyard.types.signatures import Scalar

if TYPE_CHECKING:  # it imports NumPy, which a job may do only after it has said on how many threads
    from modelyard.algorithms.tables.models import Learner


class TableAlgorithm(Algorithm):
    """Learns the class or the number in a column of a table: the subclass says how."""

    @abstractmethod
    def learner(self, hyperparameters: Mapping[str, Scalar]) -> "Learner":
        """How a model is fitted. Imports its library here: that takes seconds, and descriptions need it not.

        Raises:
            HyperparameterInvalidError: one does not fit the others.
        """

    def train(
        self, channels: Mapping[str, Channel], hyperparameters: Mapping[str, Scalar], context: TrainingContext
    ) -> None:
        """Train on a CSV or Parquet table whose column `context.target` is learnt; see Algorithm.

        Raises:
            TargetNotFoundError: the table has no such column.
            TargetInvalidError: of classes, fewer than two or too many, or numbers; of numbers, none or always the same.
            ColumnsInvalidError: no column is left to learn from.
            TooFewRowsError: fewer than 20 rows with a target.
            HyperparameterInvalidError: see `learner`.
        """
        from modelyard.algorithms.tables.training import train_classifier, train_regressor  # noqa: PLC0415 - see learner

        is_classifier = self.description.task is Task.TABULAR_CLASSIFICATION
        train = train_classifier if is_classifier else train_regressor
        train(channels, hyperparameters, self.description.name, context, self.learner(hyperparameters))
