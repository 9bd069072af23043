"""Runs a job again from its record, and compares what came out, file by file.

The record pins everything that decides: data by version, code by digest, packages by lock, image by digest, seed,
hyper-parameters and cores. What still differs is named; so is what has changed under it: data that is fetched from
elsewhere, the processor, the libraries.
"""

from collections.abc import Iterator, Mapping

from modelyard.control.clients.contracts import RegistryClient
from modelyard.control.jobs.reruns.comparing import compare
from modelyard.control.jobs.reruns.errors import RerunImpossibleError
from modelyard.control.jobs.scripts.results import ScriptResults
from modelyard.control.jobs.service import JobService
from modelyard.runtimes.bundle import COMPILATION
from modelyard.storage.creations import Creation
from modelyard.types.compute.scheduling import Placement
from modelyard.types.jobs import REPEATABLE, Job, JobStatus
from modelyard.types.scripting.reruns import Difference, Verification


class RerunService:
    """Safe from any thread.

    Args:
        jobs: keeps them.
        registry: has the models and datasets that came out.
        results: has the files that came out.
    """

    def __init__(self, jobs: JobService, registry: RegistryClient, results: ScriptResults) -> None:
        self._jobs = jobs
        self._registry = registry
        self._results = results

    def rerun(self, project: str, job_id: str, *, created_by: str, creation: Creation | None = None) -> Job:
        """The same job again. A model that comes out the same, to the byte, is the version that there is already.

        Raises:
            JobNotFoundError: no such job.
            RerunImpossibleError: it makes nothing to compare, or it has not completed.
            JobNeverFitsError: the machine has become too small for it.
        """
        job = self._completed(project, job_id)
        if job.kind not in REPEATABLE:
            raise RerunImpossibleError(
                f"Job '{job_id}' is of the kind '{job.kind}'",
                hint="Training, script and processing jobs can be run again.",
            )
        script = job.recipe.script
        return self._jobs.submit(
            project,
            job.kind,
            job.recipe,
            job.model,
            job.resources,
            created_by=created_by,
            creation=creation,
            placement=Placement()
            if script is None
            else Placement(hosts=script.hosts, is_distributed=script.is_distributed),
            rerun_of=job.id,
            rules=job.rules,
        )

    def verify(self, project: str, job_id: str) -> Verification:
        """Whether a rerun made what the job before it made.

        Raises:
            JobNotFoundError: no such job.
            RerunImpossibleError: it is no rerun, or has not completed.
            NotFoundError: what one of them made has been deleted since.
        """
        after = self._completed(project, job_id)
        if not after.rerun_of:
            raise RerunImpossibleError(
                f"Job '{job_id}' is no rerun of another", hint=f"Make one: modelyard jobs rerun {job_id} --verify"
            )
        before = self._completed(project, after.rerun_of)
        differences = tuple(_differences(self._facts(before), self._facts(after)))
        return Verification(
            job=before.id,
            rerun=after.id,
            is_same=not differences,
            differences=differences,
            conditions=compare(before.conditions, after.conditions),
        )

    def _completed(self, project: str, job_id: str) -> Job:
        job = self._jobs.get(project, job_id)
        if job.status is not JobStatus.COMPLETED:
            raise RerunImpossibleError(
                f"Job '{job_id}' is {job.status}", hint="Only what has completed can be run again and compared."
            )
        return job

    def _facts(self, job: Job) -> dict[str, str]:
        """What a job made: the name of each part and the digest of its content."""
        facts = {f"files/{file.path}": file.digest for file in self._results.list(job)}
        if "model_version" in job.result:
            version = self._registry.model_version(job.project, str(job.result["model_version"]))
            # The report of the compilation has measured times in it, and is no part of what a version is.
            facts |= {f"model/{file.path}": file.digest for file in version.files if file.path != COMPILATION}
        for part, ref in job.result.items():
            if part.partition("/")[0] == "dataset":
                name, _, number = str(ref).partition(":")
                facts[part] = self._registry.dataset_version(job.project, name, int(number)).digest
        return facts


def _differences(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Difference]:
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            yield Difference(name=name, before=before.get(name, ""), after=after.get(name, ""))
