"""What carries jobs: when they run, what they work with, what they cost, their services and their workflows."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from modelyard.control.clients.contracts import RegistryClient
from modelyard.control.environments.building import EnvironmentBuilder
from modelyard.control.environments.repository import EnvironmentRepository
from modelyard.control.environments.service import EnvironmentService
from modelyard.control.jobs.automl.service import AutoMLService
from modelyard.control.jobs.automl.work import AutoMLWork
from modelyard.control.jobs.batch.work import BatchWork
from modelyard.control.jobs.contract.assembly import Contracts
from modelyard.control.jobs.contract.assembly import assemble as assemble_contracts
from modelyard.control.jobs.execution import JobExecution
from modelyard.control.jobs.inputs import JobInputs
from modelyard.control.jobs.kinds.catalog import Kinds
from modelyard.control.jobs.metering import KINDS, JobSubjects
from modelyard.control.jobs.output import JobOutput
from modelyard.control.jobs.profiling.keeping import KeptSamples
from modelyard.control.jobs.profiling.service import ProfileService
from modelyard.control.jobs.repository import JobRepository
from modelyard.control.jobs.scripts.assembly import Scripts
from modelyard.control.jobs.scripts.assembly import assemble as assemble_scripts
from modelyard.control.jobs.scripts.service import ScriptJobService
from modelyard.control.jobs.service import JobService
from modelyard.control.jobs.trials.service import TrialLeavings
from modelyard.control.jobs.workflows import JobWorkflow
from modelyard.control.metering.assembly import Metering
from modelyard.control.metering.assembly import assemble as assemble_metering
from modelyard.control.references.fetching import Fetcher
from modelyard.control.references.service import ReferenceService
from modelyard.control.scheduling.assembly import Scheduling
from modelyard.control.scheduling.assembly import assemble as assemble_scheduling
from modelyard.control.scheduling.capacity import offered
from modelyard.control.scheduling.queues import QueueService
from modelyard.control.scheduling.service import SchedulingService
from modelyard.control.tuning.execution import TuningExecution
from modelyard.control.tuning.repository import TuningRepository
from modelyard.control.tuning.service import TuningService
from modelyard.control.tuning.workflows import TuningWorkflow
from modelyard.engines.base import Engine
from modelyard.server.applications.autoscaling import Autoscaling
from modelyard.server.applications.context import Context

_FETCH_SECONDS = 4 * 3600.0


def environments_of(context: Context) -> EnvironmentService:
    """Named environments."""
    builder = EnvironmentBuilder(context.engine, context.home.environments)
    return EnvironmentService(context.database, EnvironmentRepository(), builder, context.clock)


def metering_of(context: Context, queues: QueueService) -> Metering:
    """Counts what jobs and reservations use."""
    clock, repository = context.clock, JobRepository()

    def log_bytes() -> Mapping[tuple[str, str], int]:
        with context.database.read() as connection:
            return repository.log_bytes(connection)

    def output_bytes() -> Mapping[tuple[str, str], int]:
        with context.database.read() as connection:
            return repository.output_bytes(connection)

    return assemble_metering(
        database=context.database,
        engine=context.engine,
        clock=clock,
        subjects=JobSubjects(lambda: {each.id for each in queues.begun_reservations(clock.now())}),
        kinds=KINDS,
        stored={"log": log_bytes, "output": output_bytes},
    )


def scheduling_of(
    context: Context, registry: RegistryClient, carrier: "Carrier", autoscaling: Autoscaling
) -> Scheduling:
    """Says when jobs run."""
    return assemble_scheduling(
        database=context.database,
        clock=context.clock,
        machines=lambda: offered(autoscaling.staying(context.engine.nodes()), context.settings.max_parallel_jobs),
        quota=registry.quota,
        carry=carrier.carry,
        possible=autoscaling.service.possible_hosts,
    )


def references_of(context: Context, registry: RegistryClient) -> ReferenceService:
    """What a job reads may be as large as an upload, and may take its time."""
    settings = context.settings
    fetcher = Fetcher(settings.reference_hosts.split(","), settings.max_upload_bytes, total_seconds=_FETCH_SECONDS)
    return ReferenceService(registry, context.objects, fetcher, settings.max_upload_bytes)


class Carrier:
    """Ties the knot: the scheduler hands tickets to the workflow, whose execution tells the queues of each end."""

    workflow: JobWorkflow

    def carry(self, ticket: str) -> None:
        """Carry an admitted job, once."""
        self.workflow.enqueue(ticket)

    def carry_all(self, tickets: Iterable[str]) -> None:
        """Carry those that nobody carries yet."""
        for ticket in tickets:
            self.carry(ticket)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What jobs are carried with."""

    registry: RegistryClient
    engine: Engine
    inputs: JobInputs
    batches: BatchWork
    scripts: Scripts
    contracts: Contracts
    interpreter: Callable[[str], Path]


def parts_of(context: Context, registry: RegistryClient, engine: Engine, references: ReferenceService) -> Parts:
    """`engine` counts what is used; environments are nobody's use."""
    inputs = JobInputs(registry, context.home)
    environments = EnvironmentBuilder(context.engine, context.home.environments)
    scripts = assemble_scripts(
        registry=registry,
        inputs=inputs,
        references=references,
        environments=environments,
        engine=engine,
        objects=context.objects,
        home=context.home,
        is_shared=bool(context.presence.name),
    )
    contracts = assemble_contracts(
        registry=registry,
        environments=environments,
        engine=engine,
        objects=context.objects,
        home=context.home,
        is_shared=bool(context.presence.name),
    )
    batches = BatchWork(registry, inputs, references, environments, context.engine, context.home)
    return Parts(
        registry=registry,
        engine=engine,
        inputs=inputs,
        batches=batches,
        scripts=scripts,
        contracts=contracts,
        interpreter=lambda digest: environments.ensure(scripts.locks.read(digest)),
    )


def jobs_of(
    context: Context, parts: Parts, scheduling: SchedulingService, metering: Metering
) -> tuple[JobService, JobWorkflow]:
    """The rules of jobs, and what carries each."""
    repository = JobRepository()
    output = JobOutput(parts.engine, context.objects)
    kinds = Kinds(
        registry=parts.registry,
        inputs=parts.inputs,
        batches=parts.batches,
        scripts=parts.scripts.work,
        contracts=parts.contracts.work,
        automl=AutoMLWork(context.database, repository, parts.scripts.checkpoints, parts.interpreter),
        checkpoints=parts.scripts.checkpoints,
    )
    execution = JobExecution(
        database=context.database,
        repository=repository,
        kinds=kinds,
        inputs=parts.inputs,
        engine=parts.engine,
        output=output,
        home=context.home,
        clock=context.clock,
        scheduling=scheduling,
        samples=KeptSamples(parts.engine, context.objects),
        control=context.presence.name,
    )
    service = JobService(
        database=context.database,
        repository=repository,
        creations=context.creations,
        registry=parts.registry,
        engine=parts.engine,
        output=output,
        clock=context.clock,
        scheduling=scheduling,
        check_budget=metering.costs.check_budget,
        control=context.presence.name,
        lives=context.presence.lives,
    )
    return service, JobWorkflow(execution)


def profiles_of(context: Context, parts: Parts, jobs: JobService) -> ProfileService:
    """What jobs used."""
    return ProfileService(jobs, context.database, JobRepository(), KeptSamples(parts.engine, context.objects))


def automl_of(context: Context, jobs: JobService, environments: EnvironmentService, parts: Parts) -> AutoMLService:
    """The rules of AutoML jobs, and their reports."""
    locks, engine = parts.scripts.locks, parts.engine
    return AutoMLService(jobs, parts.registry, context.database, JobRepository(), environments, locks, engine)


def tuning_of(
    context: Context, jobs: JobService, scripts: ScriptJobService, parts: Parts
) -> tuple[TuningService, TuningWorkflow]:
    """The rules of tuning jobs, and what carries each."""
    repository = TuningRepository()
    service = TuningService(
        database=context.database,
        repository=repository,
        creations=context.creations,
        jobs=jobs,
        scripts=scripts,
        clock=context.clock,
    )
    execution = TuningExecution(
        database=context.database,
        repository=repository,
        service=service,
        jobs=jobs,
        leavings=TrialLeavings(jobs, parts.scripts.results, context.objects),
        clock=context.clock,
    )
    return service, TuningWorkflow(service, execution)
