"""Wires pipelines: what they are, what starts and carries their runs."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from fastapi import APIRouter

from modelyard.control.clients.contracts import OperationsClient, RegistryClient
from modelyard.control.jobs.automl.service import AutoMLService
from modelyard.control.jobs.batch.service import BatchJobService
from modelyard.control.jobs.scripts.service import ScriptJobService
from modelyard.control.jobs.service import JobService
from modelyard.control.pipelines.api import router
from modelyard.control.pipelines.caching.pinning import Pinning
from modelyard.control.pipelines.execution import PipelineExecution
from modelyard.control.pipelines.kinds.catalog import Works, all_kinds, descriptions
from modelyard.control.pipelines.repository import PipelineRepository
from modelyard.control.pipelines.runs import RunService
from modelyard.control.pipelines.service import PipelineService
from modelyard.control.pipelines.stepping import Stepping
from modelyard.control.pipelines.triggering import Triggering
from modelyard.control.pipelines.workflows import PipelineWorkflow
from modelyard.control.rest.guard import Guard
from modelyard.control.tuning.service import TuningService
from modelyard.server.applications.context import Context
from modelyard.server.duties import Duty


@dataclass(frozen=True, slots=True, kw_only=True)
class Carriers:
    """The services of the jobs that steps are."""

    jobs: JobService
    tunings: TuningService
    searches: AutoMLService
    scripts: ScriptJobService
    batches: BatchJobService


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipelining:
    """What the Jobs application adds to its own."""

    router: APIRouter
    duties: tuple[Duty, ...]


def pipelines_of(
    context: Context,
    registry: RegistryClient,
    guard: Guard,
    operations: Callable[[], OperationsClient],
    carriers: Carriers,
) -> Pipelining:
    """Pipelines whose steps the carriers do."""
    database, clock, repository = context.database, context.clock, PipelineRepository()
    works = Works(
        registry=registry,
        operations=operations,
        jobs=carriers.jobs,
        tunings=carriers.tunings,
        searches=carriers.searches,
        scripts=carriers.scripts,
        batches=carriers.batches,
        settings=context.settings,
        folder=context.home.run / "pipelines",
    )
    kinds = all_kinds(works)
    service = PipelineService(
        database=database,
        repository=repository,
        creations=context.creations,
        kinds=descriptions(kinds),
        clock=clock,
    )
    runs = RunService(database=database, repository=repository, creations=context.creations, clock=clock)
    stepping = Stepping(database=database, repository=repository, kinds=kinds, pinning=Pinning(registry), clock=clock)
    workflow = PipelineWorkflow(
        PipelineExecution(
            database=database, repository=repository, stepping=stepping, operations=operations, clock=clock
        )
    )
    triggering = Triggering(
        database=database, repository=repository, runs=runs, registry=registry, operations=operations, clock=clock
    )
    carrying, starting = threading.Event(), threading.Event()

    def wake() -> None:
        carrying.set()
        starting.set()

    duties = (
        Duty(name="pipelines.carry", interval_seconds=1.0, run=workflow.sweep, awake=carrying),
        Duty(name="pipelines.trigger", interval_seconds=2.0, run=triggering.sweep, awake=starting, is_shared=True),
    )
    return Pipelining(router=router(service, runs, guard, wake), duties=duties)
