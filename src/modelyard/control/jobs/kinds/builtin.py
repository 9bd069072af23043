"""Jobs that run the platform's own algorithms: training, evaluation, replay, and trials of a search."""

import sys
from dataclasses import dataclass
from pathlib import Path

from modelyard.algorithms.jobfile import BatchFiles, JobFile, JobResult
from modelyard.control.clients.contracts import RegistryClient
from modelyard.control.jobs.conditions import threads_of
from modelyard.control.jobs.inputs import JobInputs, patiently
from modelyard.control.jobs.kinds.base import Figures, Kind, Save
from modelyard.control.jobs.scripts.checkpoints import Checkpoints
from modelyard.kit.files import write_atomic
from modelyard.types.jobs import Job
from modelyard.types.models import Lineage
from modelyard.types.processes import Mount, ProcessSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Additions:
    """What a kind adds to the process of an algorithm."""

    batch: BatchFiles | None = None
    checkpoints: Path | None = None
    autogluon: Path | None = None
    mounts: tuple[Mount, ...] = ()
    has_loopback: bool = False


class BuiltIn(Kind):
    """Runs an algorithm and keeps its figures.

    Args:
        registry: gets what is made.
        inputs: datasets and bundles on this machine.
    """

    def __init__(self, registry: RegistryClient, inputs: JobInputs) -> None:
        self._registry = registry
        self._inputs = inputs

    def prepare(self, job: Job, folder: Path, save: Save) -> ProcessSpec:  # noqa: ARG002
        """See Kind."""
        (folder / "output").mkdir(parents=True, exist_ok=True)
        channels = {role: self._inputs.channel(job.project, ref) for role, ref in job.recipe.channels.items()}
        candidates = {ref: self._inputs.bundle(job.project, ref) for ref in job.recipe.candidates}
        more = self._additions(job, list(candidates.values()))
        file = JobFile(
            recipe=job.recipe,
            channels=channels,
            candidates=candidates,
            threads=threads_of(job),
            batch=more.batch,
            checkpoints=more.checkpoints,
            autogluon=more.autogluon,
        )
        write_atomic(folder / "job.json", file.to_json())
        inputs = [channel.path for channel in channels.values()] + list(candidates.values())
        return ProcessSpec(
            command=(sys.executable, "-m", "modelyard.algorithms.run", "--job", str(folder)),
            work_directory=str(folder),
            mounts=(*(Mount(path=str(path)) for path in inputs), *more.mounts),
            resources=job.resources,
            has_loopback=more.has_loopback,
        )

    def conclude(self, job: Job, folder: Path) -> Figures:  # noqa: ARG002
        """See Kind."""
        return dict(JobResult.read(folder / "result.json").figures)

    def _additions(self, job: Job, bundles: list[Path]) -> Additions:  # noqa: ARG002
        return Additions()

    def _register(self, job: Job, bundle: Path) -> str:
        """Make the bundle the next version of the job's model; its reference."""
        model = job.model or job.id
        data = tuple(self._inputs.channel(job.project, ref).reference for ref in job.recipe.channels.values())
        lineage = Lineage(job=job.id, datasets=data, created_by=job.created_by)
        version = patiently(
            lambda: self._registry.register_model(job.project, model, bundle, lineage, idempotency_key=job.id)
        )
        return version.ref


class Training(BuiltIn):
    """Makes a model version."""

    def conclude(self, job: Job, folder: Path) -> Figures:
        """See Kind."""
        return super().conclude(job, folder) | {"model_version": self._register(job, folder / "output")}


class ResumedBuiltIn(BuiltIn):
    """See BuiltIn; the algorithm goes on from its checkpoint, so a SIGKILL costs it little."""

    is_resumed = True
    outlives_kills = True

    def __init__(self, registry: RegistryClient, inputs: JobInputs, checkpoints: Checkpoints) -> None:
        super().__init__(registry, inputs)
        self._checkpoints = checkpoints

    def suspend(self, job: Job) -> None:
        """See Kind."""
        self._checkpoints.keep(job)

    def remove(self, job: Job) -> None:
        """See Kind."""
        self._checkpoints.remove(job)

    def _additions(self, job: Job, bundles: list[Path]) -> Additions:  # noqa: ARG002
        folder = self._checkpoints.folder(job)
        return Additions(checkpoints=folder, mounts=(Mount(path=str(folder), is_writable=True),))


class ResumedTraining(ResumedBuiltIn, Training):
    """See both."""


class ResumedTrial(ResumedBuiltIn):
    """See ResumedBuiltIn; one of a population leaves its checkpoint to the next generation."""

    def conclude(self, job: Job, folder: Path) -> Figures:
        """See Kind."""
        if job.recipe.generation is not None:
            self._checkpoints.leave(job)
        return super().conclude(job, folder)
