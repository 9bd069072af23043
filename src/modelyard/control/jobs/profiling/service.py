"""Profiles of jobs, as people ask for them."""

from modelyard.control.jobs.profiling.errors import ProfileNotFoundError
from modelyard.control.jobs.profiling.keeping import KeptSamples
from modelyard.control.jobs.profiling.picture import picture_of
from modelyard.control.jobs.profiling.reading import profile_of
from modelyard.control.jobs.repository import JobRepository
from modelyard.control.jobs.service import JobService
from modelyard.storage.database import Database
from modelyard.types.debugging.profiles import Profile

_FEWEST_SAMPLES = 2
_MOST_FIGURES = 20_000


class ProfileService:
    """Makes profiles of what was sampled and logged. Safe from any thread."""

    def __init__(self, jobs: JobService, database: Database, repository: JobRepository, samples: KeptSamples) -> None:
        self._jobs = jobs
        self._database = database
        self._repository = repository
        self._samples = samples

    def profile(self, project: str, job_id: str) -> Profile:
        """Of the present or last attempt, so far.

        Raises:
            JobNotFoundError: no such job.
            ProfileNotFoundError: it has not run for long enough, or where nobody looks.
        """
        job = self._jobs.get(project, job_id)
        samples = self._samples.read(job)
        if len(samples) < _FEWEST_SAMPLES:
            raise ProfileNotFoundError(
                f"Job '{job_id}' has no profile",
                hint="There is one when it has run for two seconds as a process of this machine.",
            )
        with self._database.read() as connection:
            figures = [point for _, point in self._repository.points_after(connection, job_id, 0, _MOST_FIGURES)]
        return profile_of(job, samples, figures)

    def picture(self, project: str, job_id: str) -> str:
        """The same as SVG.

        Raises:
            JobNotFoundError, ProfileNotFoundError: there is none.
        """
        return picture_of(self.profile(project, job_id))
