"""The algorithm contract: a description, and `train`, which writes a complete model bundle."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from modelyard.types.datasets import DatasetFormat
from modelyard.types.jobs import AlgorithmDescription
from modelyard.types.models import DataReference, Task
from modelyard.types.signatures import Scalar

if TYPE_CHECKING:  # they import NumPy, which a job may do only after it has said on how many threads
    from modelyard.algorithms.checkpoints import Checkpoints
    from modelyard.algorithms.tables.models import Learner


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """Input data of a job: a local file, its format, and the dataset version that it is."""

    path: Path
    format: DatasetFormat
    reference: DataReference


class TrainingContext(Protocol):
    """What a job gives to the algorithm that it runs."""

    @property
    def seed(self) -> int:
        """Seeds every random choice."""

    @property
    def threads(self) -> int:
        """Threads that the algorithm may use."""

    @property
    def target(self) -> str | None:
        """Name of the column to predict, for tables."""

    @property
    def is_trial(self) -> bool:
        """Whether the held-out rows are to be spared, and others measured on: see `preparation.split`."""

    @property
    def output(self) -> Path:
        """Folder to write the bundle into (types.models.Manifest names the files)."""

    @property
    def checkpoints(self) -> "Checkpoints":
        """Where trainings keep how far they are."""

    def log(self, line: str) -> None:
        """One line of the job's log."""

    def log_metric(self, name: str, value: float, step: int) -> None:
        """One live metric value; NaN is refused with InvalidInputError."""


class Algorithm(ABC):
    """A built-in algorithm. Objects hold no state between calls.

    Same seed, data, hyper-parameters and `threads`: the same bundle, byte for byte; if the description says that it is
    resumable, also where a training was killed and begun again with the same `checkpoints`.
    """

    description: AlgorithmDescription

    @abstractmethod
    def train(
        self, channels: Mapping[str, Channel], hyperparameters: Mapping[str, Scalar], context: TrainingContext
    ) -> None:
        """Train on `channels["train"]` and write the bundle to `context.output`.

        `hyperparameters` are complete and valid: defaults filled in, types and ranges checked.

        Raises:
            InvalidInputError: the data cannot be learnt from; the message says which column and why.
        """


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
