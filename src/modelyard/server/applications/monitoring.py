"""Joins the parts of monitoring: monitors, what runs them, detectors of one's own, alerts."""

from dataclasses import dataclass
from pathlib import Path

from modelyard.control.alerts.courier import Courier
from modelyard.control.alerts.delivery import EmailSender, Sender, WebhookSender
from modelyard.control.alerts.repository import AlertRepository
from modelyard.control.alerts.service import AlertService
from modelyard.control.captures.service import CaptureService
from modelyard.control.clients.contracts import RegistryClient
from modelyard.control.detectors.repository import DetectorRepository
from modelyard.control.detectors.running import DetectorRunner
from modelyard.control.detectors.service import DetectorService
from modelyard.control.events.service import EventService
from modelyard.control.feedback.labelled import LabelledReader
from modelyard.control.feedback.service import EndpointReader, FeedbackService
from modelyard.control.monitors.checking.baselines import Baselines
from modelyard.control.monitors.checking.check import MonitorCheck
from modelyard.control.monitors.checking.quality import QualityCheck
from modelyard.control.monitors.checking.references import References
from modelyard.control.monitors.repository import MonitorRepository
from modelyard.control.monitors.running import MonitorRunner
from modelyard.control.monitors.service import MonitorService
from modelyard.engines.base import Engine
from modelyard.kit.clock import Clock
from modelyard.storage.creations import Creations
from modelyard.storage.database import Database
from modelyard.types.monitoring import ChannelKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitoring:
    """The parts that others use."""

    service: MonitorService
    runner: MonitorRunner
    detectors: DetectorService
    alerts: AlertService
    courier: Courier


def assemble(
    *,
    database: Database,
    creations: Creations,
    endpoints: EndpointReader,
    registry: RegistryClient,
    engine: Engine,
    captures: CaptureService,
    feedback: FeedbackService,
    labelled: LabelledReader,
    events: EventService,
    references: Path,
    workplace: Path,
    mail: EmailSender,
    clock: Clock,
) -> Monitoring:
    """Wire monitoring.

    `references` is the cache of reference sketches and may be deleted at any time; in `workplace` detectors of one's
    own run, a folder a run; `mail` is how e-mail leaves.
    """
    repository = MonitorRepository()
    known = References(registry, references)
    detectors = DetectorService(database, DetectorRepository(), registry.permits_code, engine.resolve_image, clock)
    alerts = AlertService(database, AlertRepository(), creations, clock)
    check = MonitorCheck(
        endpoints=endpoints,
        captures=captures,
        baselines=Baselines(known, registry, endpoints, captures, clock),
        quality=QualityCheck(registry, labelled, feedback, known, clock),
        detectors=detectors,
        runner=DetectorRunner(engine, workplace),
    )
    senders: dict[ChannelKind, Sender] = {
        ChannelKind.WEBHOOK: WebhookSender(lambda: clock.now().timestamp()),
        ChannelKind.EMAIL: mail,
    }
    return Monitoring(
        service=MonitorService(
            database=database,
            repository=repository,
            creations=creations,
            endpoints=endpoints,
            detectors=detectors,
            alerts=alerts,
            clock=clock,
        ),
        runner=MonitorRunner(
            database=database, repository=repository, check=check, events=events, alerts=alerts, clock=clock
        ),
        detectors=detectors,
        alerts=alerts,
        courier=Courier(database, AlertRepository(), senders, clock),
    )
