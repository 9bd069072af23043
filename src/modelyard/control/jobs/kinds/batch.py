"""Batch jobs: a model answers all rows, and the answers become a dataset version."""

from pathlib import Path

from modelyard.control.clients.contracts import RegistryClient
from modelyard.control.jobs.batch.work import BatchWork
from modelyard.control.jobs.inputs import JobInputs
from modelyard.control.jobs.kinds.base import Figures, its
from modelyard.control.jobs.kinds.builtin import Additions, BuiltIn
from modelyard.types.jobs import Job


class Batch(BuiltIn):
    """See BuiltIn; a SIGKILL costs no more than a shard."""

    outlives_kills = True

    def __init__(self, registry: RegistryClient, inputs: JobInputs, batches: BatchWork) -> None:
        super().__init__(registry, inputs)
        self._batches = batches

    def conclude(self, job: Job, folder: Path) -> Figures:
        """See Kind."""
        figures = super().conclude(job, folder)
        return figures | {"dataset": self._batches.publish(job, its(job.recipe.batch), folder)}

    def remove(self, job: Job) -> None:
        """See Kind."""
        self._batches.remove(job)

    def _additions(self, job: Job, bundles: list[Path]) -> Additions:
        (bundle,) = bundles
        batch, mounts = self._batches.prepare(job, its(job.recipe.batch), bundle)
        return Additions(batch=batch, mounts=mounts, has_loopback=self._batches.has_loopback(bundle))
