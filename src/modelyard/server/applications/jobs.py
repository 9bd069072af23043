"""Wires the Jobs application."""

from dataclasses import dataclass

from fastapi import APIRouter, FastAPI

from modelyard import __version__
from modelyard.control.algorithms.api import router as algorithms_router
from modelyard.control.audit.api import router as audit_router
from modelyard.control.clients.contracts import JobsClient, RegistryClient
from modelyard.control.environments.api import router as environments_router
from modelyard.control.environments.building import EnvironmentBuilder
from modelyard.control.environments.service import EnvironmentService
from modelyard.control.experiments.api import router as experiments_router
from modelyard.control.jobs.api import router as jobs_router
from modelyard.control.jobs.batch.api import router as batch_router
from modelyard.control.jobs.batch.service import BatchJobService
from modelyard.control.jobs.batch.work import BatchWork
from modelyard.control.jobs.client import InProcessJobsClient
from modelyard.control.jobs.execution import JobExecution
from modelyard.control.jobs.inputs import JobInputs
from modelyard.control.jobs.metering import job_subjects
from modelyard.control.jobs.output import JobOutput
from modelyard.control.jobs.repository import JobRepository
from modelyard.control.jobs.service import JobService
from modelyard.control.jobs.workflows import ADMITTED, QUEUE, JobWorkflow
from modelyard.control.metering.api import router as costs_router
from modelyard.control.metering.assembly import Metering
from modelyard.control.metering.assembly import assemble as assemble_metering
from modelyard.control.references.fetching import Fetcher
from modelyard.control.references.service import ReferenceService
from modelyard.control.rest.application import create_application
from modelyard.control.rest.guard import Guard
from modelyard.control.scheduling.api import queues_router, waiting_router
from modelyard.control.scheduling.assembly import Scheduling
from modelyard.control.scheduling.assembly import assemble as assemble_scheduling
from modelyard.control.scheduling.capacity import offered
from modelyard.control.scheduling.service import SchedulingService
from modelyard.control.telemetry.api import figures_router
from modelyard.server.applications.application import Application
from modelyard.server.applications.context import Context
from modelyard.server.duties import Duty
from modelyard.server.tracking.assembly import assemble as assemble_tracking

_FETCH_SECONDS = 4 * 3600.0

DESCRIPTION = """
Work that ends: training, evaluation and batch jobs. A training job runs a **built-in algorithm** on a dataset version
of the registry, in a sandboxed process of its own, and registers what it makes as the next version of a model.
A batch job answers all rows of a dataset version, an object or an address by one version of a model.
While it runs you can follow its log and its metrics; afterwards its record says how it ended and why.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Jobs:
    """The application and what others in the same process use of it."""

    application: Application
    client: JobsClient


METERING_SECONDS = 5.0
MOST_ADMITTED = 100
"""Jobs whose workflows run at the same time, whatever capacity says: each has a thread.

Where several control processes may share the database, each takes as many as its machine runs: the others get the rest.
"""


def build_jobs(context: Context, registry: RegistryClient, guard: Guard) -> Jobs:
    """Wire the Jobs API on the context's database, with a registry that may be anywhere."""
    carrier, references, parallel_jobs = _Carrier(), _references(context, registry), context.settings.max_parallel_jobs
    metering = assemble_metering(
        database=context.database, engine=context.engine, clock=context.clock, subjects=job_subjects, kinds=("job",)
    )
    scheduling = _scheduling(context, registry, carrier)
    service, workflow = _jobs(context, registry, scheduling.service, metering, references)
    carrier.workflow = workflow
    tracking = assemble_tracking(context, registry, guard)
    routers = [
        algorithms_router(guard),
        environments_router(EnvironmentService(), guard),
        jobs_router(service, guard, context.settings),
        batch_router(BatchJobService(service, registry, references), guard, context.settings),
        queues_router(scheduling.queues, scheduling.service, guard),
        waiting_router(scheduling.queues, scheduling.service, guard),
        costs_router(metering.costs, guard),
        experiments_router(tracking.server, guard),
        audit_router(context.audit, guard),
        figures_router(context.figures, guard),
    ]

    def resume() -> None:
        for ticket in scheduling.service.tickets():
            carrier.carry(ticket)

    def keep_budgets() -> None:
        metering.costs.look(service.stop_all)

    def on_start() -> None:
        context.durable.add_queue(QUEUE, parallel_jobs)
        context.durable.add_queue(ADMITTED, parallel_jobs if context.presence.name else MOST_ADMITTED)
        scheduling.queues.ensure_default()
        service.adopt()
        resume()

    duties = (
        Duty(
            name="jobs.schedule",
            interval_seconds=1.0,
            run=scheduling.scheduler.round,
            is_shared=True,
            pause=lambda: scheduling.scheduler.pause_seconds,
            awake=scheduling.service.awake,
        ),
        Duty(name="jobs.resume", interval_seconds=5.0, run=resume),
        Duty(name="jobs.reap", interval_seconds=5.0, run=service.reap),
        Duty(name="jobs.metering", interval_seconds=METERING_SECONDS, run=metering.look),
        Duty(name="jobs.budgets", interval_seconds=METERING_SECONDS, run=keep_budgets, is_shared=True),
        *tracking.duties,
    )
    asgi = _asgi(context, routers)
    return Jobs(
        application=Application(name="jobs", asgi=asgi, duties=duties, mounts=tracking.mounts, on_start=on_start),
        client=InProcessJobsClient(service, context.settings),
    )


def _asgi(context: Context, routers: list[APIRouter]) -> FastAPI:
    return create_application(
        title="Modelyard Jobs", description=DESCRIPTION, routers=routers, audit=context.audit, version=__version__
    )


def _references(context: Context, registry: RegistryClient) -> ReferenceService:
    """What a job reads may be as large as an upload, and may take its time."""
    settings = context.settings
    fetcher = Fetcher(settings.reference_hosts.split(","), settings.max_upload_bytes, total_seconds=_FETCH_SECONDS)
    return ReferenceService(registry, context.objects, fetcher, settings.max_upload_bytes)


class _Carrier:
    """Ties the knot: the scheduler hands tickets to the workflow, whose execution tells the queues of each end."""

    workflow: JobWorkflow

    def carry(self, ticket: str) -> None:
        """Carry an admitted job, once."""
        self.workflow.enqueue(ticket)


def _scheduling(context: Context, registry: RegistryClient, carrier: _Carrier) -> Scheduling:
    """Jobs run when the machines and the projects' quotas have room for them."""
    parallel_jobs = context.settings.max_parallel_jobs
    return assemble_scheduling(
        database=context.database,
        clock=context.clock,
        machine=lambda: offered(context.engine.capacity(), parallel_jobs),
        quota=registry.quota,
        carry=carrier.carry,
    )


def _jobs(
    context: Context,
    registry: RegistryClient,
    scheduling: SchedulingService,
    metering: Metering,
    references: ReferenceService,
) -> tuple[JobService, JobWorkflow]:
    repository, engine = JobRepository(), metering.engine
    output = JobOutput(engine, context.objects)
    inputs = JobInputs(registry, context.home)
    environments = EnvironmentBuilder(context.engine, context.home.environments)
    batches = BatchWork(registry, inputs, references, environments, context.engine, context.home)
    execution = JobExecution(
        database=context.database,
        repository=repository,
        registry=registry,
        inputs=inputs,
        batches=batches,
        engine=engine,
        output=output,
        home=context.home,
        clock=context.clock,
        scheduling=scheduling,
        control=context.presence.name,
    )
    service = JobService(
        database=context.database,
        repository=repository,
        creations=context.creations,
        registry=registry,
        engine=engine,
        output=output,
        clock=context.clock,
        scheduling=scheduling,
        check_budget=metering.costs.check_budget,
        control=context.presence.name,
        lives=context.presence.lives,
    )
    return service, JobWorkflow(execution)
