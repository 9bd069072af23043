"""The rules of training jobs of the container contract: what is wrong is said before there is a job."""

import re
from dataclasses import replace

from modelyard.control.clients.contracts import RegistryClient
from modelyard.control.jobs.contract.buckets import Address
from modelyard.control.jobs.contract.errors import ContractInvalidError
from modelyard.control.jobs.contract.images import program_of
from modelyard.control.jobs.scripts.metrics import check_definitions
from modelyard.control.jobs.scripts.work import check_permitted
from modelyard.control.jobs.service import JobService
from modelyard.engines.base import Engine
from modelyard.storage.creations import Creation
from modelyard.types.compute.scheduling import Placement
from modelyard.types.contract.recipes import ContractRecipe, InputMode
from modelyard.types.jobs import Job, JobKind, JobRecipe
from modelyard.types.processes import Resources

_CHANNEL = re.compile(r"[A-Za-z0-9.\-_]{1,64}")
_SCRIPT = "sagemaker_program"


class ContractJobService:
    """Creates such jobs; once there they are jobs like any other.

    Args:
        jobs: keeps them.
        registry: knows which projects permit code.
        engine: knows what a reference of an image means.
    """

    def __init__(self, jobs: JobService, registry: RegistryClient, engine: Engine) -> None:
        self._jobs = jobs
        self._registry = registry
        self._engine = engine

    def create(
        self,
        project: str,
        wanted: ContractRecipe,
        resources: Resources,
        *,
        created_by: str,
        creation: Creation | None = None,
        placement: Placement | None = None,
    ) -> Job:
        """Accept a training job, its image pinned to what it means here. It is durable when this returns.

        Raises:
            ScriptForbiddenError: it brings code, which the project does not permit.
            ContractInvalidError: an address, a name or the program is none.
            JobInvalidError: the pattern of a metric is none.
            NotFoundError: there is no such image.
            JobNeverFitsError: it could not start even on an empty machine.
            ModelyardError: the platform's engine runs no images.
        """
        if wanted.hosts < 1:
            raise ContractInvalidError(
                f"A job of {wanted.hosts} hosts does nothing", hint="Set InstanceCount to 1 or more.", field="hosts"
            )
        Address.of(wanted.output_uri, "output_uri")
        named = [channel.name for channel in wanted.channels]
        if twice := [name for name in named if named.count(name) > 1]:
            raise ContractInvalidError(
                f"There is more than one channel '{twice[0]}'", hint="Give each a name of its own.", field="channels"
            )
        for channel in wanted.channels:
            if not _CHANNEL.fullmatch(channel.name) or channel.name in (".", ".."):
                raise ContractInvalidError(
                    f"'{channel.name[:64]}' cannot be the name of a channel",
                    hint="Use letters, digits, '_', '.' and '-'.",
                    field="channels",
                )
            Address.of(channel.uri, f"channels.{channel.name}")
        check_definitions(wanted.metrics)
        recipe = self._program(project, wanted)
        hosts = recipe.hosts
        job = JobRecipe(algorithm=recipe.algorithm or JobKind.CONTRACT.value, contract=recipe)
        return self._jobs.submit(
            project,
            JobKind.CONTRACT,
            job,
            None,
            resources,
            created_by=created_by,
            creation=creation,
            placement=replace(placement or Placement(), hosts=hosts),
        )

    def get(self, project: str, job_id: str) -> Job:
        """A job, its status checked against its process.

        Raises:
            JobNotFoundError: no such job in this project.
        """
        return self._jobs.get(project, job_id)

    def stop(self, project: str, job_id: str) -> Job:
        """Ask a job to stop; it has STOP_GRACE_SECONDS, and its model is kept.

        Raises:
            JobNotFoundError: no such job.
            InvalidStateError: it has ended already.
        """
        return self._jobs.stop(project, job_id)

    def _program(self, project: str, wanted: ContractRecipe) -> ContractRecipe:
        """The recipe with what it runs."""
        has_script = bool(wanted.hyperparameters.get(_SCRIPT) or wanted.entry_point)
        program = program_of(wanted.image, has_script=has_script)
        if program.algorithm:
            # Several hosts would each learn a part of the data; one learns all of it, which is what they come to.
            return replace(wanted, algorithm=program.algorithm, hosts=1)
        check_permitted(self._registry, project)
        has_pipes = any(channel.mode is InputMode.PIPE for channel in wanted.channels)
        if has_pipes and (wanted.hosts > 1 or not program.is_script):
            raise ContractInvalidError(
                "Pipes lead to scripts on one host; images and several hosts get their data as files here",
                hint="Use the input mode File or FastFile.",
                field="channels",
            )
        if program.is_script:
            return replace(wanted, is_script=True)
        return replace(wanted, image_digest=self._engine.resolve_image(wanted.image))
