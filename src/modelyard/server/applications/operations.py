"""Wires the Operations application."""

from dataclasses import dataclass
from datetime import timedelta

from modelyard import __version__
from modelyard.control.audit.api import router as audit_router
from modelyard.control.captures.api import router as captures_router
from modelyard.control.captures.ingest import CaptureIngest
from modelyard.control.captures.repository import CaptureRepository
from modelyard.control.captures.service import CaptureService
from modelyard.control.clients.contracts import JobsClient, RegistryClient
from modelyard.control.endpoints.api import router as endpoints_router
from modelyard.control.endpoints.assembly import assemble as assemble_endpoints
from modelyard.control.endpoints.assembly import make_planning
from modelyard.control.endpoints.planning.api import plans_router
from modelyard.control.endpoints.reconciliation.reconciler import Reconciler
from modelyard.control.endpoints.scaling.autoscaler import DemandWatch
from modelyard.control.endpoints.service import EndpointService
from modelyard.control.events.api import router as events_router
from modelyard.control.events.repository import EventRepository
from modelyard.control.events.service import EventService
from modelyard.control.feedback.api import router as feedback_router
from modelyard.control.feedback.labelled import LabelledReader
from modelyard.control.feedback.quality import QualityService
from modelyard.control.feedback.repository import FeedbackRepository
from modelyard.control.feedback.service import FeedbackService
from modelyard.control.monitors.api import router as monitors_router
from modelyard.control.monitors.checks import DriftCheck
from modelyard.control.monitors.references import References
from modelyard.control.monitors.repository import MonitorRepository
from modelyard.control.monitors.service import MonitorService
from modelyard.control.monitors.workflows import MonitorWorkflow
from modelyard.control.rest.application import create_application
from modelyard.control.rest.guard import Guard
from modelyard.control.retraining.api import router as retraining_router
from modelyard.control.retraining.collecting import Collector
from modelyard.control.retraining.conditions.conditions import Conditions
from modelyard.control.retraining.conditions.decay import HoldoutDecay
from modelyard.control.retraining.execution import RetrainingExecution
from modelyard.control.retraining.policies import PolicyService
from modelyard.control.retraining.proof.prover import Prover
from modelyard.control.retraining.proof.sampling import RequestSampler
from modelyard.control.retraining.repository import RetrainingRepository
from modelyard.control.retraining.service import RetrainingService
from modelyard.control.retraining.tracking import RunTracking
from modelyard.control.retraining.workflows import RetrainingWorkflow
from modelyard.dataplane.demand import POLL_SECONDS, DemandFollower
from modelyard.kit.host import HostWatch
from modelyard.server.applications.application import Application
from modelyard.server.applications.context import Context
from modelyard.server.duties import Duty
from modelyard.settings import Home

DESCRIPTION = """
What runs: **endpoints** that serve model versions at a stable address, what they answered (**inferences**), what
turned out to be true (**feedback**), **monitors** that look for drift, and **retraining policies** that make, prove and
switch to a better version. The inference calls themselves go to the gateway and need none of this to be up.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Watch:
    """The part that looks at what endpoints did."""

    captures: CaptureService
    feedback: FeedbackService
    labelled: LabelledReader
    quality: QualityService
    monitors: MonitorService


def build_operations(context: Context, registry: RegistryClient, jobs: JobsClient, guard: Guard) -> Application:
    """Wire the Operations API on the context's database, with a registry and jobs that may be anywhere."""
    database, clock, home = context.database, context.clock, context.home
    events = EventService(database, EventRepository(), clock)
    endpoints, reconciler = assemble_endpoints(
        database=database,
        registry=registry,
        engine=context.engine,
        events=events,
        tokens=registry.route_tokens,
        home=home,
        clock=clock,
        capture_share=context.settings.capture_share,
        saturation=HostWatch().saturation,
    )
    planning = make_planning(database=database, registry=registry, engine=context.engine, home=home, clock=clock)
    watch = _watch(context, registry, endpoints, events)
    repository = RetrainingRepository()
    tracking = RunTracking(database, repository, events, clock)
    policies = PolicyService(database, repository, context.creations, endpoints, watch.monitors, events, clock)
    collector = Collector(registry, jobs, watch.labelled, watch.feedback, home.run / "retraining")
    decay = HoldoutDecay(watch.quality, registry, clock)
    conditions = Conditions(database, repository, watch.monitors, endpoints, watch.feedback, collector, decay, clock)
    retraining = RetrainingService(
        database, repository, context.creations, policies, conditions, endpoints, collector, events, clock
    )
    prover = Prover(registry, jobs, RequestSampler(watch.captures, registry, home.run / "retraining"), clock)
    execution = RetrainingExecution(
        tracking, policies, collector, prover, watch.feedback, registry, jobs, endpoints, clock
    )
    carry = RetrainingWorkflow(retraining, execution)
    checks = MonitorWorkflow(watch.monitors)
    ingest = CaptureIngest(database, CaptureRepository(), context.objects, home.spool, clock)
    routers = [
        endpoints_router(endpoints, guard),
        plans_router(planning, guard),
        captures_router(watch.captures, guard),
        feedback_router(watch.feedback, watch.quality, guard),
        monitors_router(watch.monitors, guard),
        retraining_router(policies, retraining, carry.start, guard),
        events_router(events, guard),
        audit_router(context.audit, guard),
    ]
    asgi = create_application(
        title="Modelyard Operations", description=DESCRIPTION, routers=routers, audit=context.audit, version=__version__
    )
    keep = timedelta(days=context.settings.capture_retention_days)
    duties = (
        *_endpoint_duties(reconciler, home),
        Duty(name="captures.ingest", interval_seconds=0.5, run=ingest.run_once),
        Duty(name="monitors.sweep", interval_seconds=1.0, run=checks.sweep),
        Duty(name="retraining.sweep", interval_seconds=1.0, run=carry.sweep),
        Duty(name="captures.expire", interval_seconds=3600.0, run=lambda: watch.captures.delete_older(keep)),
    )
    return Application(name="operations", asgi=asgi, duties=duties)


def _endpoint_duties(reconciler: Reconciler, home: Home) -> tuple[Duty, ...]:
    watch = DemandWatch(DemandFollower(home.demand), reconciler.awake.set)
    reconcile = Duty(
        name="endpoints.reconcile",
        interval_seconds=0.3,
        run=reconciler.tick,
        pause=lambda: reconciler.pause_seconds,
        awake=reconciler.awake,
    )
    return reconcile, Duty(name="endpoints.demand", interval_seconds=POLL_SECONDS, run=watch.look)


def _watch(context: Context, registry: RegistryClient, endpoints: EndpointService, events: EventService) -> _Watch:
    database, clock = context.database, context.clock
    feedback = FeedbackService(database, FeedbackRepository(), endpoints, clock)
    captures = CaptureService(database, CaptureRepository(), context.objects, feedback, clock)
    labelled = LabelledReader(captures, feedback)
    check = DriftCheck(endpoints, captures, References(registry, context.home.cache / "references"))
    monitors = MonitorService(database, MonitorRepository(), context.creations, endpoints, check, events, clock)
    return _Watch(
        captures=captures,
        feedback=feedback,
        labelled=labelled,
        quality=QualityService(labelled, endpoints, clock),
        monitors=monitors,
    )
