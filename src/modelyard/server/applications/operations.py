"""Wires the Operations application."""

from dataclasses import dataclass

from fastapi import APIRouter

from modelyard import __version__
from modelyard.control.alerts.api import router as alerts_router
from modelyard.control.alerts.budgets import BudgetHerald
from modelyard.control.alerts.delivery import EmailSender
from modelyard.control.alerts.findings import FindingHerald
from modelyard.control.alerts.repository import AlertRepository
from modelyard.control.alerts.subscriptions import EventSubscriptions
from modelyard.control.audit.api import router as audit_router
from modelyard.control.clients.contracts import JobsClient, OperationsClient, RegistryClient
from modelyard.control.detectors.api import router as detectors_router
from modelyard.control.endpoints.api import router as endpoints_router
from modelyard.control.endpoints.assembly import assemble as assemble_endpoints
from modelyard.control.endpoints.assembly import make_planning
from modelyard.control.endpoints.client import InProcessOperationsClient
from modelyard.control.endpoints.hosting.hosts import host_folder, place_of
from modelyard.control.endpoints.hosting.policy import HostingPolicy
from modelyard.control.endpoints.hosting.tenants import KIND, PLATFORM, Tenants
from modelyard.control.endpoints.planning.api import plans_router
from modelyard.control.endpoints.reconciliation.bundles import BundleCache
from modelyard.control.endpoints.reconciliation.reconciler import Reconciler
from modelyard.control.endpoints.repository import EndpointRepository, ReplicaRepository
from modelyard.control.endpoints.scaling.api import economy_router
from modelyard.control.endpoints.scaling.autoscaler import DemandWatch
from modelyard.control.endpoints.scaling.idle_report import IdleReport
from modelyard.control.endpoints.scaling.resting import IdlePolicy
from modelyard.control.endpoints.service import EndpointService
from modelyard.control.evaluation.api import router as evaluation_router
from modelyard.control.evaluation.asking import RunningModels
from modelyard.control.evaluation.bias import BiasService
from modelyard.control.evaluation.comparing import ComparisonService
from modelyard.control.evaluation.reading import EvaluationReader
from modelyard.control.evaluation.service import EvaluationService
from modelyard.control.events.api import router as events_router
from modelyard.control.events.repository import EventRepository
from modelyard.control.events.service import EventService
from modelyard.control.explanations.answering import ExplainedAnswers
from modelyard.control.explanations.api import router as explanations_router
from modelyard.control.explanations.background import Backgrounds
from modelyard.control.explanations.service import ExplanationService
from modelyard.control.feedback.quality import QualityService
from modelyard.control.feedback.rollout_quality import RolloutQuality
from modelyard.control.metering.api import router as costs_router
from modelyard.control.metering.assembly import Metering
from modelyard.control.metering.assembly import assemble as assemble_metering
from modelyard.control.metering.traffic import TrafficMeter
from modelyard.control.monitors.api import router as monitors_router
from modelyard.control.monitors.checking.counting import LabelCounter
from modelyard.control.monitors.workflows import MonitorWorkflow
from modelyard.control.rest.application import create_application
from modelyard.control.rest.guard import Guard
from modelyard.control.retraining.api import router as retraining_router
from modelyard.control.retraining.collecting import Collector
from modelyard.control.retraining.conditions.conditions import Conditions
from modelyard.control.retraining.conditions.decay import SequentialDecay
from modelyard.control.retraining.execution import RetrainingExecution
from modelyard.control.retraining.policies import PolicyService
from modelyard.control.retraining.proof.prover import Prover
from modelyard.control.retraining.proof.sampling import RequestSampler
from modelyard.control.retraining.repository import RetrainingRepository
from modelyard.control.retraining.service import RetrainingService
from modelyard.control.retraining.tracking import RunTracking
from modelyard.control.retraining.workflows import RetrainingWorkflow
from modelyard.control.telemetry.api import figures_router
from modelyard.dataplane.demand import POLL_SECONDS, DemandFollower
from modelyard.kit.host import HostWatch
from modelyard.server.applications.application import Application
from modelyard.server.applications.context import Context
from modelyard.server.applications.hosting import Hosting, build_data_captures, build_hosting
from modelyard.server.applications.monitoring import Monitoring
from modelyard.server.applications.monitoring import assemble as assemble_monitoring
from modelyard.server.applications.traffic import Traffic, build_traffic, stored_captures
from modelyard.server.aws.store import AwsStore
from modelyard.server.duties import Duty
from modelyard.settings import Home

DESCRIPTION = """
What runs: **endpoints** that serve model versions at a stable address, what they answered (**inferences**), what
turned out to be true (**feedback**), **monitors** that look for drift, and **retraining policies** that make, prove and
switch to a better version. The inference calls themselves go to the gateway and need none of this to be up.
"""

METERING_SECONDS = 5.0
FINDING_SECONDS = 2.0
STORAGE_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Operations:
    """The application and what others in the same process use of it; `hosting`: what the AWS APIs ask of it."""

    application: Application
    client: OperationsClient
    hosting: Hosting | None


def build_operations(
    context: Context, registry: RegistryClient, jobs: JobsClient, guard: Guard, store: AwsStore | None = None
) -> Operations:
    """Wire the Operations API; registry and jobs may be anywhere. With a store there is hosting."""
    database, clock, home = context.database, context.clock, context.home
    events, trial = _events(context), RolloutQuality()
    metering = _metering(context)
    endpoints, reconciler = _endpoints(context, registry, events, trial, metering)
    planning = make_planning(database=database, registry=registry, engine=context.engine, home=home, clock=clock)
    recorded = build_data_captures(context, store)
    traffic = build_traffic(context, registry, endpoints, events, guard, recorded)
    monitoring = _monitoring(context, registry, endpoints, events, traffic)
    hosting = build_hosting(context, registry, endpoints, events, store, recorded) if store and recorded else None
    repository, prepared = RetrainingRepository(), home.run / "retraining"
    tracking = RunTracking(database, repository, events, clock)
    policies = PolicyService(database, repository, context.creations, endpoints, monitoring.service, events, clock)
    collector = Collector(registry, jobs, traffic.labelled, traffic.feedback, prepared)
    decay = SequentialDecay(database, repository, registry, LabelCounter(traffic.labelled, traffic.feedback, clock))
    conditions = Conditions(
        database, repository, monitoring.service, endpoints, traffic.feedback, collector, decay, clock
    )
    retraining = RetrainingService(
        database, repository, context.creations, policies, conditions, endpoints, collector, events, clock
    )
    prover = Prover(registry, jobs, RequestSampler(traffic.captures, registry, prepared), clock)
    known = (traffic.feedback, registry, jobs, endpoints, clock)
    execution = RetrainingExecution(tracking, policies, collector, prover, *known)
    carry, checks = RetrainingWorkflow(retraining, execution), MonitorWorkflow(monitoring.runner)
    routers = [
        endpoints_router(endpoints, guard),
        plans_router(planning, guard),
        economy_router(IdleReport(database, EndpointRepository(), endpoints, metering.costs, clock), endpoints, guard),
        *traffic.routers,
        *_evaluation(context, registry, endpoints, traffic, guard),
        *_monitoring_routers(monitoring, guard),
        retraining_router(policies, retraining, carry.start, guard),
        events_router(events, context.creations, guard),
        costs_router(metering.costs, guard),
        audit_router(context.audit, guard),
        figures_router(context.figures, guard),
    ]
    asgi = create_application(
        title="Modelyard Operations", description=DESCRIPTION, routers=routers, audit=context.audit, version=__version__
    )
    duties = (
        *_endpoint_duties(reconciler, home, trial, traffic.quality),
        *traffic.duties,
        Duty(name="monitors.sweep", interval_seconds=1.0, run=checks.sweep, is_shared=True),
        *_alert_duties(context, events, jobs, monitoring),
        Duty(name="retraining.sweep", interval_seconds=1.0, run=carry.sweep, is_shared=True),
        *(hosting.duties if hosting is not None else ()),
        *_metering_duties(metering, TrafficMeter(home.traffic, metering.ledger)),
    )
    return Operations(
        application=Application(name="operations", asgi=asgi, duties=duties),
        client=InProcessOperationsClient(endpoints, events, context.creations),
        hosting=hosting,
    )


def _metering_duties(metering: Metering, gateways: TrafficMeter) -> tuple[Duty, ...]:
    """What is counted for the ledger."""
    return (
        Duty(name="endpoints.metering", interval_seconds=METERING_SECONDS, run=metering.look),
        Duty(name="endpoints.traffic", interval_seconds=METERING_SECONDS, run=gateways.look),
        Duty(name="captures.storage", interval_seconds=STORAGE_SECONDS, run=metering.storage.look, is_shared=True),
    )


def _alert_duties(context: Context, events: EventService, jobs: JobsClient, monitoring: Monitoring) -> tuple[Duty, ...]:
    """What makes events of what Jobs knows, and tells people."""
    budgets = BudgetHerald(context.database, AlertRepository(), events, jobs.budgets)
    findings = FindingHerald(events, jobs.untold_findings, jobs.note_findings_told)
    courier = monitoring.courier
    return (
        Duty(name="alerts.budgets", interval_seconds=METERING_SECONDS, run=budgets.look, is_shared=True),
        Duty(name="alerts.findings", interval_seconds=FINDING_SECONDS, run=findings.look, is_shared=True),
        Duty(name="alerts.deliver", interval_seconds=1.0, run=courier.run_once, is_shared=True),
        Duty(name="alerts.forget", interval_seconds=3600.0, run=courier.forget, is_shared=True),
    )


def _events(context: Context) -> EventService:
    """Events, which go to whoever subscribes to them."""
    subscriptions = EventSubscriptions(AlertRepository(), context.clock)
    return EventService(context.database, EventRepository(), context.clock, subscriptions.forward)


def _endpoints(
    context: Context, registry: RegistryClient, events: EventService, trial: RolloutQuality, metering: Metering
) -> tuple[EndpointService, Reconciler]:
    return assemble_endpoints(
        database=context.database,
        registry=registry,
        engine=metering.engine,
        events=events,
        tokens=registry.route_tokens,
        home=context.home,
        clock=context.clock,
        capture_share=context.settings.capture_share,
        saturation=(lambda: "") if context.engine.has_nodes else HostWatch().saturation,
        concern=trial.concern,
        hosting=_hosting(context),
        idle_policy=IdlePolicy(registry.idle_after_hours, context.settings.idle_after_hours, context.clock),
        keeps=lambda: context.presence.has_duties,
    )


def _metering(context: Context) -> Metering:
    sockets = context.home.sockets
    tenants = Tenants(context.database, ReplicaRepository(), lambda host_id: host_folder(sockets, host_id), place_of)
    return assemble_metering(
        database=context.database,
        engine=context.engine,
        clock=context.clock,
        subjects=tenants.subjects,
        kinds=(KIND, PLATFORM),
        stored={"capture": stored_captures(context)},
    )


def _hosting(context: Context) -> HostingPolicy | None:
    """How models share processes; None if the settings leave nothing of it, or processes run on several machines."""
    settings = context.settings
    if context.engine.has_nodes or (settings.shared_model_bytes <= 0 and settings.spare_workers <= 0):
        return None
    return HostingPolicy(
        shared_model_bytes=settings.shared_model_bytes,
        spare_workers=settings.spare_workers,
        host_memory_bytes=settings.shared_worker_bytes,
    )


def _endpoint_duties(
    reconciler: Reconciler, home: Home, trial: RolloutQuality, quality: QualityService
) -> tuple[Duty, ...]:
    watch = DemandWatch(DemandFollower(home.demand), reconciler.awake.set)
    reconcile = Duty(
        name="endpoints.reconcile",
        interval_seconds=0.3,
        run=reconciler.tick,
        pause=lambda: reconciler.pause_seconds,
        awake=reconciler.awake,
        is_shared=True,
        stand_by=reconciler.stand_by,
    )
    demand = Duty(name="endpoints.demand", interval_seconds=POLL_SECONDS, run=watch.look)
    trials = Duty(name="rollouts.quality", interval_seconds=3.0, run=lambda: trial.sweep(quality), is_shared=True)
    return reconcile, demand, trials


def _monitoring(
    context: Context, registry: RegistryClient, endpoints: EndpointService, events: EventService, traffic: Traffic
) -> Monitoring:
    settings, home = context.settings, context.home
    return assemble_monitoring(
        database=context.database,
        creations=context.creations,
        endpoints=endpoints,
        registry=registry,
        engine=context.engine,
        captures=traffic.captures,
        feedback=traffic.feedback,
        labelled=traffic.labelled,
        events=events,
        references=home.cache / "references",
        workplace=home.run / "detectors",
        mail=EmailSender(url=settings.smtp_url.get_secret_value(), sender=settings.smtp_from),
        clock=context.clock,
    )


def _monitoring_routers(monitoring: Monitoring, guard: Guard) -> tuple[APIRouter, ...]:
    return (
        monitors_router(monitoring.service, monitoring.runner, guard),
        detectors_router(monitoring.detectors, guard),
        alerts_router(monitoring.alerts, guard),
    )


def _evaluation(
    context: Context, registry: RegistryClient, endpoints: EndpointService, traffic: Traffic, guard: Guard
) -> tuple[APIRouter, APIRouter]:
    clock, captures = context.clock, traffic.captures
    reader = EvaluationReader(captures, traffic.feedback, registry)
    running = RunningModels(context.home.routing)
    backgrounds = Backgrounds(registry, BundleCache(context.home.cache / "bundles", registry), captures)
    evaluation = EvaluationService(reader, endpoints, clock)
    comparison = ComparisonService(reader, running, endpoints, clock)
    explanations = ExplanationService(endpoints, captures, running, backgrounds)
    answers = ExplainedAnswers(traffic.predictions, traffic.gateway, explanations)
    return (
        evaluation_router(evaluation, comparison, BiasService(reader, endpoints, clock), guard),
        explanations_router(explanations, answers, guard),
    )
