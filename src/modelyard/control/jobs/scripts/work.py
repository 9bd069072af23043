"""What a script job's process is: its folders, its environment, its command; and what becomes of what it left."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import msgspec

from modelyard.algorithms.programs import machine, member, ranks
from modelyard.control.clients.contracts import RegistryClient
from modelyard.control.environments.building import EnvironmentBuilder
from modelyard.control.environments.locks import Locks
from modelyard.control.jobs.conditions import threads_of
from modelyard.control.jobs.gangs.images import image_members
from modelyard.control.jobs.gangs.members import process_ids
from modelyard.control.jobs.inputs import JobInputs
from modelyard.control.jobs.scripts.channels import ChannelFolders
from modelyard.control.jobs.scripts.checkpoints import Checkpoints
from modelyard.control.jobs.scripts.errors import ScriptForbiddenError
from modelyard.control.jobs.scripts.java import THREADS, find_java, name_mounts, runs_spark, spark_variables
from modelyard.control.jobs.scripts.places import CODE, CONFIG, FACTS, HYPERPARAMETERS, Places
from modelyard.control.jobs.scripts.results import ScriptResults
from modelyard.control.jobs.scripts.snapshots import Snapshots
from modelyard.control.jobs.scripts.sources import SourceFolders
from modelyard.engines.base import Engine, check_fence
from modelyard.engines.pythons import environment_mounts
from modelyard.kit.files import PathEscapesError, inside, write_atomic
from modelyard.types.compute.gangs import INTERFACE, Membership, address_of
from modelyard.types.jobs import Job
from modelyard.types.processes import ProcessSpec, Resources, SandboxLevel
from modelyard.types.scripting.recipes import ScriptRecipe
from modelyard.types.signatures import Scalar

_LONGEST_ACCOUNT = 500
_MASTER_PORT = 29500
"""Free in every gang: its members have their network for themselves."""


class ScriptWork:
    """Prepares and concludes script jobs. Safe from any thread.

    Args:
        registry: knows which projects permit code.
        inputs: datasets on this machine.
        snapshots: the code.
        environments: builds what the requirements ask for.
        locks: keeps what they were resolved to.
        channels: datasets as folders.
        sources: objects and addresses as folders.
        checkpoints: folders that outlive attempts.
        results: takes what was made.
        engine: where it runs.
    """

    def __init__(
        self,
        *,
        registry: RegistryClient,
        inputs: JobInputs,
        snapshots: Snapshots,
        environments: EnvironmentBuilder,
        locks: Locks,
        channels: ChannelFolders,
        sources: SourceFolders,
        checkpoints: Checkpoints,
        results: ScriptResults,
        engine: Engine,
    ) -> None:
        self._registry = registry
        self._inputs = inputs
        self._snapshots = snapshots
        self._environments = environments
        self._locks = locks
        self._channels = channels
        self._sources = sources
        self._checkpoints = checkpoints
        self._results = results
        self._engine = engine

    def pinned(self, recipe: ScriptRecipe) -> ScriptRecipe:
        """The recipe with its requirements locked, so that every attempt and every rerun has the same packages.

        Raises:
            EnvironmentBuildFailedError, EnvironmentToolMissingError, EnvironmentInvalidError: they cannot be.
        """
        if not recipe.requirements or recipe.environment:
            return recipe
        return replace(
            recipe, environment=self._locks.keep(self._environments.lock(recipe.requirements, recipe.python))
        )

    def prepare(self, job: Job, recipe: ScriptRecipe, folder: Path) -> ProcessSpec:
        """The process of an attempt in `folder`, whose files are there afterwards; its labels are still to come.

        Raises:
            ScriptForbiddenError: the project does not permit code any more.
            SandboxTooWeakError: code may not run on this machine.
            ModelyardError: an input or a package cannot be had.
        """
        check_permitted(self._registry, job.project)
        if not recipe.image:
            check_fence(self._engine)
        places = Places(
            folder=folder,
            checkpoints=self._checkpoints.folder(job),
            channels=self._data(job, recipe),
            outputs=recipe.outputs,
            is_in_image=bool(recipe.image),
        )
        places.create()
        if recipe.code:
            self._snapshots.unpack(job.project, recipe.code, places.code)
        content = msgspec.json.format(msgspec.json.encode(job.recipe.hyperparameters), indent=1)
        write_atomic(folder / CONFIG / HYPERPARAMETERS, content + b"\n")
        threads = threads_of(job)
        spec = ProcessSpec(
            command=recipe.command,
            environment=places.environment(job, threads),
            work_directory=str(places.code),
            mounts=tuple(places.mounts()),
            resources=job.resources if recipe.is_distributed else together(job.resources, recipe.hosts),
            image=recipe.image_digest,
        )
        if recipe.image:
            return replace(spec, members=image_members(recipe.hosts)) if recipe.hosts > 1 else spec
        return self._interpreted(spec, recipe, places, job)

    def digests(self, job: Job, recipe: ScriptRecipe) -> dict[str, str]:
        """Role -> SHA-256 of what was fetched for it; once the attempt is prepared."""
        return {role: self._sources.digest(job, role) for role in recipe.sources}

    def conclude(self, job: Job, recipe: ScriptRecipe, folder: Path) -> dict[str, str | float]:
        """Keep what an attempt has made; what to say about it in the job's record.

        Raises:
            ModelyardError: it cannot be kept.
        """
        if job.recipe.generation is not None:
            self._checkpoints.leave(job)
        return self._results.keep(job, recipe, folder)

    def members(self, job: Job, spec: ProcessSpec) -> list[ProcessSpec]:
        """The processes of a gang on several machines, by rank: each runs the job's program in the job's folder."""
        names = tuple(process_ids(job))
        return [_member(spec, Membership(rank=rank, members=names)) for rank in range(len(names))]

    def account(self, folder: Path) -> str:
        """Which member of a gang failed, and how; empty if none did."""
        try:
            told = json.loads(inside(folder / CODE, ranks.ACCOUNT).read_bytes())
        except (OSError, ValueError, PathEscapesError):
            return ""
        return str(told.get("message", ""))[:_LONGEST_ACCOUNT] if isinstance(told, dict) else ""

    def suspend(self, job: Job) -> None:
        """The attempt is over and another one follows."""
        self._checkpoints.keep(job)

    def remove(self, job: Job) -> None:
        """The job has ended: forget its checkpoints, and what was fetched for it."""
        if job.recipe.script is not None:
            self._checkpoints.remove(job)
            self._sources.remove(job)

    def _data(self, job: Job, recipe: ScriptRecipe) -> dict[str, Path]:
        """The folder of each input."""
        versions = {role: self._inputs.channel(job.project, ref) for role, ref in job.recipe.channels.items()}
        folders = {role: self._channels.folder(channel) for role, channel in versions.items()}
        return folders | {role: self._sources.folder(job, role, source) for role, source in recipe.sources.items()}

    def _interpreted(self, spec: ProcessSpec, recipe: ScriptRecipe, places: Places, job: Job) -> ProcessSpec:
        """The process of a Python file of the snapshot."""
        arguments = [
            word for name, value in job.recipe.hyperparameters.items() for word in (f"--{name}", argument(value))
        ]
        threads = threads_of(job)
        python, mounts, more = sys.executable, spec.mounts, {"PYTHONUNBUFFERED": "1"}
        if recipe.environment:
            lock = self._locks.read(recipe.environment)
            java = find_java() if runs_spark(lock) else None
            built = self._environments.ensure(lock)
            python, mounts = str(built), (*mounts, *environment_mounts(built))
            more["PYTHONPATH"] = str(places.library())
            if java is not None:
                more |= spark_variables(java, built, threads, spec.resources.memory_bytes)
                mounts += java.mounts() + name_mounts(places.folder / CONFIG)
                spec = replace(spec, resources=replace(spec.resources, max_processes=THREADS * recipe.hosts))
        command: tuple[str, ...] = (python, recipe.entry_point, *arguments, *recipe.arguments)
        is_gang = recipe.hosts > 1
        if is_gang and not recipe.is_distributed:
            command = (sys.executable, "-I", "-B", ranks.__file__, str(recipe.hosts), spec.work_directory, *command)
        command = (python, "-I", "-B", machine.__file__, str(places.folder / FACTS / machine.MACHINE_FILE), *command)
        return replace(
            spec,
            command=command,
            environment=spec.environment | more,
            mounts=mounts,
            has_loopback=is_gang or self._engine.sandbox_level() is SandboxLevel.BUBBLEWRAP,
        )


def _member(spec: ProcessSpec, membership: Membership) -> ProcessSpec:
    """A member of a gang on several machines: it is told where it is by the names that torch.distributed reads."""
    count = len(membership.members)
    told = {
        "RANK": membership.rank,
        "WORLD_SIZE": count,
        "LOCAL_RANK": 0,
        "LOCAL_WORLD_SIZE": 1,
        "MASTER_ADDR": address_of(0),
        "MASTER_PORT": _MASTER_PORT,
        "GLOO_SOCKET_IFNAME": INTERFACE,
        "NCCL_SOCKET_IFNAME": INTERFACE,
        "MODELYARD_RANK": membership.rank,
        "MODELYARD_HOSTS": count,
        "MODELYARD_ADDRESS": membership.address,
    }
    return replace(
        spec,
        command=(sys.executable, "-I", "-B", member.__file__, membership.address, *spec.command),
        environment=spec.environment | {name: str(value) for name, value in told.items()},
        has_loopback=True,
        membership=membership,
    )


def together(each: Resources, members: int) -> Resources:
    """What the members of a gang have together: they are in one sandbox."""
    return replace(
        each,
        cpus=None if each.cpus is None else each.cpus * members,
        memory_bytes=None if each.memory_bytes is None else each.memory_bytes * members,
        disk_bytes=None if each.disk_bytes is None else each.disk_bytes * members,
        max_processes=each.max_processes * members,
        gpus=each.gpus * members,
    )


def check_permitted(registry: RegistryClient, project: str) -> None:
    """Nothing if people's own code may run in this project.

    Raises:
        ScriptForbiddenError: it may not.
    """
    if not registry.permits_code(project):
        raise ScriptForbiddenError(
            f"Project '{project}' does not permit code, and a script is code",
            hint="An administrator can permit it: modelyard project allow-code PROJECT --reason '...'.",
        )


def argument(value: Scalar) -> str:
    """A hyper-parameter as an argument: as JSON writes it, texts without quotes."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
