"""Wires the Jobs application."""

from collections.abc import Callable
from dataclasses import dataclass

from fastapi import APIRouter, FastAPI

from modelyard import __version__
from modelyard.control.algorithms.api import router as algorithms_router
from modelyard.control.audit.api import router as audit_router
from modelyard.control.autoscaling.api import router as autoscaling_router
from modelyard.control.clients.contracts import JobsClient, OperationsClient, RegistryClient
from modelyard.control.environments.api import router as environments_router
from modelyard.control.experiments.api import router as experiments_router
from modelyard.control.jobs.api import router as jobs_router
from modelyard.control.jobs.automl.api import router as automl_router
from modelyard.control.jobs.batch.api import router as batch_router
from modelyard.control.jobs.batch.service import BatchJobService
from modelyard.control.jobs.client import InProcessJobsClient
from modelyard.control.jobs.contract.buckets import JoinedBuckets
from modelyard.control.jobs.contract.service import ContractJobService
from modelyard.control.jobs.debugging.api import router as findings_router
from modelyard.control.jobs.debugging.service import FindingService
from modelyard.control.jobs.metering import ReservationMeter
from modelyard.control.jobs.processing.api import router as processing_router
from modelyard.control.jobs.profiling.api import router as profiles_router
from modelyard.control.jobs.repository import JobRepository
from modelyard.control.jobs.reruns.api import router as reruns_router
from modelyard.control.jobs.reruns.service import RerunService
from modelyard.control.jobs.scripts.api import router as scripts_router
from modelyard.control.jobs.service import JobService
from modelyard.control.jobs.workflows import ADMITTED, QUEUE
from modelyard.control.metering.api import router as costs_router
from modelyard.control.metering.assembly import Metering
from modelyard.control.rest.application import create_application
from modelyard.control.rest.guard import Guard
from modelyard.control.scheduling.api import queues_router, waiting_router
from modelyard.control.scheduling.assembly import Scheduling
from modelyard.control.telemetry.api import figures_router
from modelyard.control.tuning.api import router as tuning_router
from modelyard.control.tuning.workflows import TuningWorkflow
from modelyard.server.applications.application import Application
from modelyard.server.applications.autoscaling import Autoscaling
from modelyard.server.applications.carrying import (
    Carrier,
    automl_of,
    environments_of,
    jobs_of,
    metering_of,
    parts_of,
    profiles_of,
    references_of,
    scheduling_of,
    tuning_of,
)
from modelyard.server.applications.context import Context
from modelyard.server.applications.pipelining import Carriers, pipelines_of
from modelyard.server.duties import Duty
from modelyard.server.tracking.assembly import assemble as assemble_tracking
from modelyard.types.processes import LogChunk

DESCRIPTION = """
Work that ends: training, evaluation, batch and script jobs, and pipelines of them. A training job runs a
**built-in algorithm** on a dataset version of the registry, in a sandboxed process of its own, and registers what it
makes as the next version of a model.
A batch job answers all rows of a dataset version, an object or an address by one version of a model. A script job runs
**code of your own**: a snapshot of a folder, or an image; a processing job does so to make datasets of data.
While it runs you can follow its log and its metrics; afterwards its record says how it ended and why.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Jobs:
    """The application and what others in the same process use of it."""

    application: Application
    client: JobsClient
    contracts: ContractJobService
    buckets: JoinedBuckets
    read_log: Callable[[str, str, int], tuple[LogChunk, bool]]


METERING_SECONDS = 5.0
STORAGE_SECONDS = 60.0
MOST_ADMITTED = 100
"""Jobs whose workflows run at the same time, whatever capacity says: each has a thread.

Where several control processes may share the database, each takes as many as its machine runs: the others get the rest.
"""


def build_jobs(
    context: Context, registry: RegistryClient, guard: Guard, operations: Callable[[], OperationsClient]
) -> Jobs:
    """Wire the Jobs API on the context's database, with a registry and operations that may be anywhere."""
    carrier, references, autoscaling = Carrier(), references_of(context, registry), Autoscaling(context)
    scheduling = scheduling_of(context, registry, carrier, autoscaling)
    metering = metering_of(context, scheduling.queues)
    parts = parts_of(context, registry, metering.engine, references)
    service, workflow = jobs_of(context, parts, scheduling.service, metering)
    carrier.workflow = workflow
    environments = environments_of(context)
    scripts = parts.scripts.service(service, registry, environments, parts.engine)
    tunings, tuning = tuning_of(context, service, scripts, parts)
    findings = FindingService(context.database, JobRepository())
    batches, searches = BatchJobService(service, registry, references), automl_of(context, service, environments, parts)
    carriers = Carriers(jobs=service, tunings=tunings, searches=searches, scripts=scripts, batches=batches)
    pipelining = pipelines_of(context, registry, guard, operations, carriers)
    tracking = assemble_tracking(context, registry, guard)
    routers = [
        algorithms_router(guard),
        environments_router(environments, guard),
        jobs_router(service, guard, context.settings),
        batch_router(batches, guard, context.settings),
        automl_router(searches, guard, context.settings),
        tuning_router(tunings, guard, context.settings),
        scripts_router(scripts, guard, context.settings),
        processing_router(scripts, guard, context.settings),
        findings_router(findings, guard),
        profiles_router(profiles_of(context, parts, service), guard),
        pipelining.router,
        reruns_router(RerunService(service, registry, parts.scripts.results), guard),
        *_capacity_routers(scheduling, autoscaling, metering, guard),
        experiments_router(tracking.server, guard),
        audit_router(context.audit, guard),
        figures_router(context.figures, guard),
    ]

    def resume() -> None:
        carrier.carry_all(scheduling.service.tickets())

    def on_start() -> None:
        context.durable.add_queue(QUEUE, context.settings.max_parallel_jobs, look_seconds=10.0)
        context.durable.add_queue(ADMITTED, _most_admitted(context))
        scheduling.queues.ensure_default()
        service.adopt()
        resume()

    own = _duties(context, scheduling, metering, service, tuning, autoscaling, resume)
    duties = (*own, *pipelining.duties, *tracking.duties)
    application = Application(
        name="jobs", asgi=_asgi(context, routers), duties=duties, mounts=tracking.mounts, on_start=on_start
    )
    return Jobs(
        application=application,
        client=InProcessJobsClient(service, metering.costs, tunings, findings, context.settings),
        contracts=parts.contracts.service(service, registry, parts.engine),
        buckets=parts.contracts.buckets,
        read_log=service.logs,
    )


def _capacity_routers(
    scheduling: Scheduling, autoscaling: Autoscaling, metering: Metering, guard: Guard
) -> tuple[APIRouter, ...]:
    return (
        queues_router(scheduling.queues, scheduling.service, guard),
        waiting_router(scheduling.queues, scheduling.service, guard),
        autoscaling_router(autoscaling.service, guard),
        costs_router(metering.costs, guard),
    )


def _duties(
    context: Context,
    scheduling: Scheduling,
    metering: Metering,
    service: JobService,
    tuning: TuningWorkflow,
    autoscaling: Autoscaling,
    resume: Callable[[], None],
) -> tuple[Duty, ...]:
    reserved = ReservationMeter(scheduling.queues.begun_reservations, metering.ledger, context.clock)

    def keep_budgets() -> None:
        metering.costs.look(service.stop_all)

    return (
        Duty(
            name="jobs.schedule",
            interval_seconds=1.0,
            run=scheduling.scheduler.round,
            is_shared=True,
            pause=lambda: scheduling.scheduler.pause_seconds,
            awake=scheduling.service.awake,
        ),
        Duty(name="jobs.resume", interval_seconds=5.0, run=resume),
        Duty(name="jobs.tune", interval_seconds=1.0, run=tuning.sweep),
        Duty(name="jobs.reap", interval_seconds=5.0, run=service.reap),
        Duty(name="jobs.metering", interval_seconds=METERING_SECONDS, run=metering.look),
        Duty(name="jobs.reserved", interval_seconds=METERING_SECONDS, run=reserved.look, is_shared=True),
        Duty(name="jobs.storage", interval_seconds=STORAGE_SECONDS, run=metering.storage.look, is_shared=True),
        Duty(name="jobs.budgets", interval_seconds=METERING_SECONDS, run=keep_budgets, is_shared=True),
        *autoscaling.duties(scheduling),
    )


def _most_admitted(context: Context) -> int:
    """See MOST_ADMITTED. What runs on a cluster runs on no control process's own machine."""
    is_one_of_several = bool(context.presence.name) and not context.engine.has_nodes
    return context.settings.max_parallel_jobs if is_one_of_several else MOST_ADMITTED


def _asgi(context: Context, routers: list[APIRouter]) -> FastAPI:
    return create_application(
        title="Modelyard Jobs", description=DESCRIPTION, routers=routers, audit=context.audit, version=__version__
    )
