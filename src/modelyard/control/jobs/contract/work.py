"""What a job's process is under the container contract, and what becomes of what it left."""

import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from modelyard.algorithms.contract import toolkit
from modelyard.algorithms.programs import ranks
from modelyard.control.clients.contracts import RegistryClient
from modelyard.control.jobs.contract.buckets import Address, Buckets
from modelyard.control.jobs.contract.channels import ContractChannels
from modelyard.control.jobs.contract.checkpoints import BucketCheckpoints
from modelyard.control.jobs.contract.configuration import names_of_hosts, variables, write_configuration
from modelyard.control.jobs.contract.history import failure_reason
from modelyard.control.jobs.contract.hosts import host_mounts
from modelyard.control.jobs.contract.images import program_of
from modelyard.control.jobs.contract.places import ROOT, ContractPlaces
from modelyard.control.jobs.contract.results import keep_results
from modelyard.control.jobs.contract.source import ScriptPackages, unpack_source
from modelyard.control.jobs.gangs.images import image_members
from modelyard.control.jobs.scripts.checkpoints import Checkpoints
from modelyard.control.jobs.scripts.work import check_permitted, together
from modelyard.engines.base import Engine, SandboxTooWeakError
from modelyard.kit.files import write_atomic
from modelyard.types.contract.recipes import ContractChannel, ContractRecipe, InputMode
from modelyard.types.jobs import Job
from modelyard.types.processes import Mount, ProcessEnd, ProcessSpec, SandboxLevel

STOP_GRACE_SECONDS = 120.0
"""Between the SIGTERM that asks such a job to stop and the SIGKILL, as the contract promises."""

_UPLOAD_SECONDS = 2.0
_CODE = "code"
_BUILT_IN = "modelyard.algorithms.contract.train"


class ContractWork:
    """Prepares and concludes jobs of the contract. Safe from any thread.

    Args:
        registry: knows which projects permit code.
        buckets: data, code and results.
        packages: what scripts ask for.
        checkpoints: folders that outlive attempts.
        engine: where it runs.
    """

    def __init__(
        self,
        *,
        registry: RegistryClient,
        buckets: Buckets,
        packages: ScriptPackages,
        checkpoints: Checkpoints,
        engine: Engine,
    ) -> None:
        self._registry = registry
        self._buckets = buckets
        self._channels = ContractChannels(buckets)
        self._packages = packages
        self._folders = checkpoints
        self._checkpoints = BucketCheckpoints(buckets)
        self._engine = engine
        self._uploads_at: dict[str, float] = {}

    def prepare(
        self, job: Job, recipe: ContractRecipe, folder: Path, keep: Callable[[ContractRecipe], None]
    ) -> ProcessSpec:
        """The process of an attempt in `folder`, whose files are there afterwards; its labels are still to come.

        Args:
            job: the job.
            recipe: its recipe.
            folder: of the attempt.
            keep: remembers the recipe with its packages locked.

        Raises:
            ScriptForbiddenError: the project does not permit code any more.
            SandboxTooWeakError: this machine cannot show a job its folders at /opt/ml.
            ModelyardError: data, code or packages cannot be had.
        """
        if not recipe.algorithm:
            check_permitted(self._registry, job.project)
        if not recipe.image_digest:
            self._check_sandbox()
        checkpoints = self._folders.folder(job)
        places = ContractPlaces(folder=folder, checkpoints=checkpoints, checkpoint_path=recipe.checkpoint_path)
        places.create()
        # A bucket that is not the project's is told now, and not when there is a model to put into it.
        self._buckets.open(job.project, Address.of(recipe.output_uri, "output_uri").bucket)
        write_configuration(recipe, places.config)
        if not recipe.algorithm:
            unpack_source(self._buckets, job.project, recipe, places.code)
        for channel in recipe.channels:
            self._channels.fetch(job.project, channel, _folders(recipe, channel, places), places.data)
        self._checkpoints.restore(job.project, recipe, places.checkpoints)
        pinned = self._packages.pinned(recipe, places.code, places.host_data(0) / _CODE)
        if pinned != recipe:
            keep(pinned)
        spec = ProcessSpec(
            command=(*recipe.entry_point, *recipe.arguments),
            environment=variables(recipe),
            work_directory=str(places.code),
            mounts=places.mounts(),
            resources=together(job.resources, recipe.hosts),
            image=recipe.image_digest,
        )
        return self._in_image(spec, recipe, places) if recipe.image_digest else self._interpreted(spec, pinned, places)

    def conclude(self, job: Job, recipe: ContractRecipe, folder: Path) -> dict[str, str]:
        """Keep what an attempt has made; where it is.

        Raises:
            ModelyardError: it cannot be kept.
        """
        self._upload_checkpoints(job, recipe)
        return keep_results(self._buckets, job.project, recipe, self._places(job, recipe, folder))

    def account(self, job: Job, recipe: ContractRecipe, folder: Path, end: ProcessEnd) -> str:
        """Why a program failed, in its own words."""
        return failure_reason(self._places(job, recipe, folder).failure(), end)

    def follow(self, job: Job, recipe: ContractRecipe) -> None:
        """Upload the checkpoints that are new, every few seconds of those in which this is called.

        Raises:
            ModelyardError: the bucket does not take them.
        """
        now = time.monotonic()
        if now >= self._uploads_at.get(job.id, 0.0):
            self._uploads_at[job.id] = now + _UPLOAD_SECONDS
            self._upload_checkpoints(job, recipe)

    def suspend(self, job: Job, recipe: ContractRecipe) -> None:
        """The attempt is over and another one follows.

        Raises:
            ModelyardError: the bucket does not take its checkpoints.
        """
        self._folders.keep(job)
        self._upload_checkpoints(job, recipe)

    def remove(self, job: Job) -> None:
        """The job has ended: forget its checkpoints."""
        if job.recipe.contract is not None:
            self._checkpoints.forget(job.id)
            self._uploads_at.pop(job.id, None)
            self._folders.remove(job)

    def _upload_checkpoints(self, job: Job, recipe: ContractRecipe) -> None:
        self._checkpoints.upload(job.project, job.id, recipe, self._folders.path(job))

    def _places(self, job: Job, recipe: ContractRecipe, folder: Path) -> ContractPlaces:
        """Those of an attempt that has begun."""
        checkpoints = self._folders.path(job)
        return ContractPlaces(folder=folder, checkpoints=checkpoints, checkpoint_path=recipe.checkpoint_path)

    @staticmethod
    def _in_image(spec: ProcessSpec, recipe: ContractRecipe, places: ContractPlaces) -> ProcessSpec:
        """The image's own program, called as the contract says, on each host."""
        if not (recipe.entry_point or recipe.arguments):
            spec = replace(spec, command=("train",))
        if recipe.hosts == 1:
            return spec
        return replace(spec, members=image_members(recipe.hosts, partial(host_mounts, recipe, places)))

    def _interpreted(self, spec: ProcessSpec, recipe: ContractRecipe, places: ContractPlaces) -> ProcessSpec:
        """A script, or a built-in algorithm, with the platform's Python."""
        # A built-in algorithm needs no permission of code, so nothing that the job brings may become code there (-I).
        program = spec.command if recipe.is_script else (sys.executable, "-I", "-m", _BUILT_IN, recipe.algorithm)
        command = (sys.executable, "-I", "-B", toolkit.__file__, ROOT, *program)
        if recipe.hosts > 1:
            launcher = (sys.executable, "-I", "-B", ranks.__file__, str(recipe.hosts), spec.work_directory)
            command = (*launcher, *command)
        more: dict[str, str] = {"PYTHONUNBUFFERED": "1"}
        if recipe.is_script:
            more["SM_FRAMEWORK_MODULE"] = program_of(recipe.image, has_script=True).framework
        mounts = (*spec.mounts, *self._outside(recipe, places))
        packages = self._packages.folder(recipe)
        if packages is not None:
            mounts = (*mounts, Mount(path=str(packages)))
            own = recipe.environment.get("PYTHONPATH", "")
            more["PYTHONPATH"] = os.pathsep.join(filter(None, (str(packages), own)))
        return replace(spec, command=command, environment=spec.environment | more, mounts=mounts, has_loopback=True)

    @staticmethod
    def _outside(recipe: ContractRecipe, places: ContractPlaces) -> tuple[Mount, ...]:
        """Files that say who algo-1 is; there is no network that could tell."""
        files = {"/etc/hosts": names_of_hosts(recipe), "/etc/nsswitch.conf": "hosts: files\n"}
        for target, content in files.items():
            write_atomic(places.outside / Path(target).name, content.encode())
        return tuple(Mount(path=str(places.outside / Path(target).name), target=target) for target in files)

    def _check_sandbox(self) -> None:
        if self._engine.sandbox_level() is not SandboxLevel.BUBBLEWRAP:
            raise SandboxTooWeakError(
                "this machine has no sandbox in which a training job could find its folders at /opt/ml",
                hint="`modelyard doctor` says what to do for a stronger one. Jobs that run their own image need none.",
            )


def _folders(recipe: ContractRecipe, channel: ContractChannel, places: ContractPlaces) -> list[Path]:
    """Where a channel's files go, host by host; the built-in algorithms read no pipes, and need none."""
    if channel.mode is InputMode.PIPE and not recipe.algorithm:
        return [places.pipe_source(channel.name)]
    return [places.host_data(host) / channel.name for host in range(recipe.hosts)]
