"""The algorithm contract: a description, and `train`, which writes a complete model bundle."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from modelyard.types.datasets import DatasetFormat
from modelyard.types.jobs import AlgorithmDescription
from modelyard.types.models import DataReference
from modelyard.types.signatures import Scalar

if TYPE_CHECKING:  # it imports NumPy, which a job may do only after it has said on how many threads
    from modelyard.algorithms.checkpoints import Checkpoints


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
