"""Wires the part of Operations that looks at what endpoints answered: captures, ground truth, queries, references."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from fastapi import APIRouter

from modelyard.control.captures.api import router as captures_router
from modelyard.control.captures.compaction import Compaction
from modelyard.control.captures.ingest import CaptureIngest
from modelyard.control.captures.repository import CaptureRepository
from modelyard.control.captures.retention import CaptureRetention
from modelyard.control.captures.service import CaptureService
from modelyard.control.clients.contracts import RegistryClient
from modelyard.control.endpoints.service import EndpointService
from modelyard.control.events.service import EventService
from modelyard.control.feedback.api import router as feedback_router
from modelyard.control.feedback.history import QualityHistory
from modelyard.control.feedback.labelled import LabelledReader
from modelyard.control.feedback.quality import QualityService
from modelyard.control.feedback.repository import FeedbackRepository
from modelyard.control.feedback.service import FeedbackService
from modelyard.control.feedback.settling import Settling
from modelyard.control.hosting.data_capture import DataCaptures
from modelyard.control.predictions.api import router as predictions_router
from modelyard.control.predictions.gateway import GatewayCaller
from modelyard.control.predictions.service import PredictionService
from modelyard.control.queries.api import router as queries_router
from modelyard.control.queries.service import QueryService
from modelyard.control.references.fetching import Fetcher
from modelyard.control.references.service import ReferenceService
from modelyard.control.rest.guard import Guard
from modelyard.control.telemetry.api import otlp_router
from modelyard.control.telemetry.collectors import SpoolFigures, WorkerFigures
from modelyard.control.telemetry.receiving import TelemetryReceiver
from modelyard.dataplane.gateway.masking import Mask
from modelyard.server.applications.context import Context
from modelyard.server.duties import Duty
from modelyard.settings import Home


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What the other parts build on, and what there is to serve and to do."""

    captures: CaptureService
    feedback: FeedbackService
    labelled: LabelledReader
    quality: QualityService
    gateway: GatewayCaller
    predictions: PredictionService
    routers: tuple[APIRouter, ...]
    duties: tuple[Duty, ...]


def build_traffic(
    context: Context,
    registry: RegistryClient,
    endpoints: EndpointService,
    events: EventService,
    guard: Guard,
    recorded: DataCaptures | None = None,
) -> Traffic:
    """Wire it on the context's database and object store; `recorded` is told of all captures."""
    database, objects, clock, home, settings = (
        context.database,
        context.objects,
        context.clock,
        context.home,
        context.settings,
    )
    repository, truths = CaptureRepository(), FeedbackRepository()
    feedback = FeedbackService(database, truths, endpoints, clock)
    captures = CaptureService(database, repository, objects, feedback)
    labelled = LabelledReader(captures, feedback)
    keep = timedelta(days=settings.capture_retention_days)
    retention = CaptureRetention(database, repository, objects, feedback, endpoints.capture_retention, keep, clock)
    pending = timedelta(hours=settings.feedback_pending_hours)
    settling = Settling(database, truths, captures, events, pending, clock)
    observers = [] if context.export is None else [context.export.inferences]
    observers += [] if recorded is None else [recorded.take]
    ingest = CaptureIngest(database, repository, objects, home.spool, clock, observers)
    compaction = Compaction(database, repository, objects, clock)
    context.figures.add(SpoolFigures(home.spool))
    context.figures.add(WorkerFigures(endpoints.running_replicas))
    quality = QualityService(labelled, endpoints, clock)
    gateway = GatewayCaller(home.run / "gateway.json", settings.tls_certificate)
    predictions = _predictions(context, registry, endpoints, gateway)
    queries = QueryService(captures, feedback, endpoints, home.run / "queries")
    return Traffic(
        captures=captures,
        feedback=feedback,
        labelled=labelled,
        quality=quality,
        gateway=gateway,
        predictions=predictions,
        routers=(
            captures_router(captures, retention, guard),
            predictions_router(predictions, guard),
            queries_router(queries, guard),
            otlp_router(TelemetryReceiver(endpoints, feedback, ingest, Mask(_mask_key(home))), guard),
            feedback_router(feedback, quality, QualityHistory(labelled, registry, endpoints, clock), guard),
        ),
        duties=(
            Duty(name="captures.ingest", interval_seconds=0.5, run=ingest.run_once, gives_way=True),
            Duty(name="captures.merge", interval_seconds=20.0, run=compaction.run_once, is_shared=True, gives_way=True),
            Duty(name="captures.expire", interval_seconds=3600.0, run=retention.run_once, is_shared=True),
            Duty(name="feedback.settle", interval_seconds=2.0, run=settling.run_once, is_shared=True),
        ),
    )


def stored_captures(context: Context) -> Callable[[], Mapping[tuple[str, str], int]]:
    """What tells how many bytes of captures each endpoint has."""
    repository = CaptureRepository()

    def stored() -> Mapping[tuple[str, str], int]:
        with context.database.read() as connection:
            return repository.stored(connection)

    return stored


def _mask_key(home: Home) -> bytes:
    """The key that the gateway's process was given; none where no gateway was ever started: hashes are dropped then."""
    return bytes.fromhex(home.mask_key.read_text().strip()) if home.mask_key.exists() else b""


def _predictions(
    context: Context, registry: RegistryClient, endpoints: EndpointService, gateway: GatewayCaller
) -> PredictionService:
    settings, home = context.settings, context.home
    fetcher = Fetcher(settings.reference_hosts.split(","), settings.max_reference_bytes)
    references = ReferenceService(registry, context.objects, fetcher, settings.max_reference_bytes)
    return PredictionService(endpoints, references, gateway, home.run / "references")
