"""The rules of script jobs: what is wrong with a request is said before there is a job, as far as it can be known."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from modelyard.control.clients.contracts import RegistryClient
from modelyard.control.environments.locks import Locks
from modelyard.control.environments.service import BUILTIN, EnvironmentService, minor
from modelyard.control.jobs.errors import JobInvalidError
from modelyard.control.jobs.scripts.metrics import check_definitions
from modelyard.control.jobs.scripts.results import ScriptResults
from modelyard.control.jobs.scripts.snapshots import Snapshots
from modelyard.control.jobs.scripts.sources import SourceFolders
from modelyard.control.jobs.scripts.work import check_permitted
from modelyard.control.jobs.service import JobService
from modelyard.engines.base import Engine
from modelyard.kit.ids import check_name
from modelyard.storage.creations import Creation
from modelyard.types.compute.scheduling import Placement
from modelyard.types.debugging.rules import RuleChoice
from modelyard.types.jobs import Job, JobKind, JobRecipe
from modelyard.types.processes import NodeChoice, Resources
from modelyard.types.scripting.recipes import OutputFile, ScriptRecipe, Snapshot

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,99}")

_SHOWN_FILES = 10


class ScriptJobService:
    """Creates script jobs; once there they are jobs like any other.

    Args:
        jobs: keeps them.
        registry: knows which projects permit code.
        snapshots: the code.
        sources: objects and addresses.
        results: what jobs have left.
        environments: those that have names.
        locks: keeps what those are locked to.
        engine: knows what a reference of an image means.
    """

    def __init__(
        self,
        jobs: JobService,
        registry: RegistryClient,
        snapshots: Snapshots,
        sources: SourceFolders,
        results: ScriptResults,
        environments: EnvironmentService,
        locks: Locks,
        engine: Engine,
    ) -> None:
        self._jobs = jobs
        self._registry = registry
        self._snapshots = snapshots
        self._sources = sources
        self._results = results
        self._environments = environments
        self._locks = locks
        self._engine = engine

    def add_snapshot(self, project: str, content: bytes) -> Snapshot:
        """Keep a zip file of code.

        Raises:
            ScriptForbiddenError: the project does not permit code.
            SnapshotInvalidError: it is no zip file that can be taken.
        """
        check_permitted(self._registry, project)
        return self._snapshots.add(project, content)

    def create(
        self,
        project: str,
        recipe: JobRecipe,
        wanted: ScriptRecipe,
        model: str | None,
        resources: Resources,
        *,
        kind: JobKind = JobKind.SCRIPT,
        created_by: str,
        creation: Creation | None = None,
        placement: Placement | None = None,
        rules: Sequence[RuleChoice] = (),
    ) -> Job:
        """Accept a script or processing job, its data pinned to version numbers and its image to a digest.

        Raises:
            ModelyardError: what `complete` says against it.
            JobNeverFitsError: it could not start even on an empty machine.
        """
        is_distributed = wanted.hosts > 1 and self._engine.has_nodes and resources.placement is not NodeChoice.SAME_NODE
        complete = self.complete(project, recipe, replace(wanted, is_distributed=is_distributed))
        outputs = [(f"outputs.{name}", dataset) for name, dataset in wanted.outputs.items()]
        for field, name in (("model", model), ("dataset", wanted.dataset), *outputs):
            if name is not None:
                check_name(name, field)
        placement = replace(placement or Placement(), hosts=wanted.hosts, is_distributed=is_distributed)
        return self._jobs.submit(
            project,
            kind,
            complete,
            model,
            resources,
            created_by=created_by,
            creation=creation,
            placement=placement,
            rules=rules,
        )

    def complete(self, project: str, recipe: JobRecipe, wanted: ScriptRecipe) -> JobRecipe:
        """A recipe with its program, checked, its data pinned to version numbers and its image to a digest.

        Raises:
            ScriptForbiddenError: the project does not permit code.
            SnapshotNotFoundError: there is no such snapshot.
            JobInvalidError: neither code nor image, no such entry point, a pattern or name that is none.
            NotFoundError: a dataset version, an object, the queue, the environment or the image does not exist.
            EnvironmentInvalidError: there is no such Python.
            InvalidInputError: data that may not be read.
            ModelyardError: the platform's engine runs no images.
        """
        check_permitted(self._registry, project)
        for role in (*recipe.channels, *recipe.hyperparameters, *wanted.sources, *wanted.outputs):
            if not _NAME.fullmatch(role):
                raise JobInvalidError(
                    f"'{role[:100]}' cannot be the name of a channel, a hyper-parameter, an input or an output",
                    hint="Use letters, digits, '_', '.' and '-'; begin with a letter.",
                )
        check_definitions(wanted.metrics)
        for source in wanted.sources.values():
            self._sources.check(project, source)
        script = self._packaged(self._checked(project, wanted))
        return replace(recipe, channels=self._jobs.pinned(project, recipe.channels), script=script)

    def register_kept(self, project: str, job_id: str, model: str) -> Job:
        """Register the model that a completed trial has left, as it is; the trial's job, whose result names it.

        Raises:
            JobNotFoundError: no such job.
            JobInvalidError: it has left no model.
            ModelyardError: the registry refuses it.
        """
        job = self._jobs.get(project, job_id)
        ref = self._results.register_kept(job, check_name(model, "model"))
        return self._jobs.add_result(job, {"model_version": ref})

    def output(self, project: str, job_id: str) -> list[OutputFile]:
        """Files that a job has left.

        Raises:
            JobNotFoundError: no such job.
        """
        return self._results.list(self._jobs.get(project, job_id))

    def stream(self, project: str, job_id: str, path: str) -> Iterator[bytes]:
        """The content of one of them.

        Raises:
            JobNotFoundError, OutputNotFoundError: there is none.
        """
        return self._results.stream(self._jobs.get(project, job_id), path)

    def _checked(self, project: str, wanted: ScriptRecipe) -> ScriptRecipe:
        if wanted.code:
            files = self._snapshots.files(project, wanted.code)
            if not wanted.image and wanted.entry_point not in files:
                shown = f"{', '.join(files[:_SHOWN_FILES])}{', ...' if len(files) > _SHOWN_FILES else ''}"
                wrong = f"The snapshot has no file '{wanted.entry_point[:200]}'"
                raise JobInvalidError(
                    wrong if wanted.entry_point else "The job does not say which file of the snapshot is run",
                    hint=f"Name it in 'entry_point' (--entry-point); there are {shown}.",
                    field="entry_point",
                )
        if wanted.image:
            if wanted.is_distributed:
                raise JobInvalidError(
                    "The processes of an image run on one machine, and on a cluster each would have one of its own",
                    hint="Let them share the platform's own machine: `--same-node`, the placement SAME_NODE.",
                    field="hosts",
                )
            if wanted.requirements or wanted.environment_name or wanted.entry_point:
                raise JobInvalidError(
                    "An image brings its own packages and is told what to run by 'command'",
                    hint="Leave 'entry_point', 'requirements' and 'environment' out, or the image.",
                    field="image",
                )
            return replace(wanted, image_digest=self._engine.resolve_image(wanted.image))
        if not wanted.code:
            raise JobInvalidError(
                "The job has nothing to run", hint="Name a snapshot in 'code', or an 'image'.", field="code"
            )
        return wanted

    def _packaged(self, wanted: ScriptRecipe) -> ScriptRecipe:
        """With what a named environment means, for good if it is locked already."""
        if wanted.environment_name and (wanted.requirements or wanted.python):
            raise JobInvalidError(
                "An environment has its packages and its Python",
                hint="Leave 'requirements' and 'python' out, or the environment.",
                field="environment",
            )
        if wanted.python and not wanted.requirements:
            raise JobInvalidError(
                f"Nothing says which packages the script has with Python {wanted.python}",
                hint="Name them in 'requirements' (--requirements); a file with a comment alone means none.",
                field="requirements",
            )
        if wanted.python:
            self._environments.check_python(wanted.python)
        if wanted.environment_name in ("", BUILTIN):
            return wanted
        found = self._environments.get(wanted.environment_name)
        lock = self._locks.keep(found.lock) if found.lock else ""
        return replace(
            wanted, requirements=found.requirements or found.lock, environment=lock, python=minor(found.python)
        )
