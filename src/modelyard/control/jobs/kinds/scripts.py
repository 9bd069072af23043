"""Jobs that run people's own code: script and processing jobs, and trials of scripts."""

from dataclasses import replace
from pathlib import Path

from modelyard.control.jobs.kinds.base import Figures, Kind, Save, its
from modelyard.control.jobs.scripts.work import ScriptWork
from modelyard.types.jobs import Job
from modelyard.types.processes import ProcessEnd, ProcessSpec


class Script(Kind):
    """Runs a script or an image in folders that it is told of."""

    is_resumed = True

    def __init__(self, scripts: ScriptWork) -> None:
        self._scripts = scripts

    def prepare(self, job: Job, folder: Path, save: Save) -> ProcessSpec:
        """See Kind. The packages are locked by the first attempt."""
        script = self._scripts.pinned(its(job.recipe.script))
        if script != job.recipe.script:
            job = replace(job, recipe=replace(job.recipe, script=script))
            save(job)
        return self._scripts.prepare(job, script, folder)

    def conclude(self, job: Job, folder: Path) -> Figures:
        """See Kind."""
        return self._scripts.conclude(job, its(job.recipe.script), folder)

    def members(self, job: Job, spec: ProcessSpec) -> list[ProcessSpec]:
        """See Kind."""
        return self._scripts.members(job, spec)

    def digests(self, job: Job) -> dict[str, str]:
        """See Kind."""
        return self._scripts.digests(job, its(job.recipe.script))

    def retries(self, job: Job) -> int:
        """See Kind."""
        return its(job.recipe.script).retries

    def account(self, job: Job, folder: Path, end: ProcessEnd) -> str:  # noqa: ARG002
        """See Kind."""
        return self._scripts.account(folder)

    def suspend(self, job: Job) -> None:
        """See Kind."""
        self._scripts.suspend(job)

    def remove(self, job: Job) -> None:
        """See Kind."""
        self._scripts.remove(job)
