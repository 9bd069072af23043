"""Forgets what trials have left: files that nobody will take, checkpoints that no generation goes on from."""

from modelyard.control.jobs.errors import JobNotFoundError
from modelyard.control.jobs.scripts.checkpoints import left_key
from modelyard.control.jobs.scripts.results import ScriptResults
from modelyard.control.jobs.service import JobService
from modelyard.storage.objects import ObjectStore
from modelyard.types.jobs import OUTPUT_BYTES


class TrialLeavings:
    """Safe from any thread; forgetting twice is harmless.

    Args:
        jobs: of the trials.
        results: files of scripts.
        objects: where checkpoints are.
    """

    def __init__(self, jobs: JobService, results: ScriptResults, objects: ObjectStore) -> None:
        self._jobs = jobs
        self._results = results
        self._objects = objects

    def forget_files(self, project: str, job_id: str) -> None:
        """Delete the files that a trial's script has left; its figures and its log stay."""
        try:
            job = self._jobs.get(project, job_id)
        except JobNotFoundError:
            return
        self._results.discard(job)
        if job.result.get(OUTPUT_BYTES):
            self._jobs.add_result(job, {OUTPUT_BYTES: 0})

    def forget_checkpoint(self, job_id: str) -> None:
        """Delete the checkpoint that a trial of a population has left."""
        self._objects.delete(left_key(job_id))
