"""The context of a job for one of the many models that it fits."""

from dataclasses import dataclass
from pathlib import Path

from modelyard.algorithms.base import TrainingContext
from modelyard.algorithms.checkpoints import NOWHERE, Checkpoints


@dataclass(frozen=True, slots=True, kw_only=True)
class PartContext:
    """A TrainingContext that differs from the job's in where models are written, or in that it says nothing."""

    job: TrainingContext
    folder: Path | None = None
    is_silent: bool = False

    @property
    def seed(self) -> int:
        """See TrainingContext."""
        return self.job.seed

    @property
    def threads(self) -> int:
        """See TrainingContext."""
        return self.job.threads

    @property
    def target(self) -> str | None:
        """See TrainingContext."""
        return self.job.target

    @property
    def is_trial(self) -> bool:
        """See TrainingContext."""
        return self.job.is_trial

    @property
    def output(self) -> Path:
        """See TrainingContext."""
        return self.folder or self.job.output

    @property
    def checkpoints(self) -> Checkpoints:
        """None: the search itself remembers which models are done."""
        return NOWHERE

    def log(self, line: str) -> None:
        """See TrainingContext."""
        if not self.is_silent:
            self.job.log(line)

    def log_metric(self, name: str, value: float, step: int) -> None:
        """See TrainingContext."""
        if not self.is_silent:
            self.job.log_metric(name, value, step)
