"""Wires hosting: models, endpoints and asynchronous requests of SageMaker's programs."""

from dataclasses import dataclass

from modelyard.control.clients.contracts import RegistryClient
from modelyard.control.endpoints.service import EndpointService
from modelyard.control.events.service import EventService
from modelyard.control.hosting.alarms.alarms import MetricAlarms
from modelyard.control.hosting.alarms.figures import EndpointFigures
from modelyard.control.hosting.alarms.records import BUCKET_SECONDS
from modelyard.control.hosting.alarms.series import MetricSeries
from modelyard.control.hosting.asynchronous import AsyncInference
from modelyard.control.hosting.carrying import HostingCarrier
from modelyard.control.hosting.composed.chain import ContainerChain
from modelyard.control.hosting.composed.targets import TargetModels
from modelyard.control.hosting.data_capture import DataCaptures
from modelyard.control.hosting.following import GatewayFollowing
from modelyard.control.hosting.registration import ModelRegistration
from modelyard.control.hosting.service import HostingService
from modelyard.control.predictions.gateway import GatewayCaller
from modelyard.server.applications.context import Context
from modelyard.server.aws.invoking import SignedInvoker
from modelyard.server.aws.store import AwsStore
from modelyard.server.duties import Duty

ROUND_SECONDS = 0.5
CAPTURE_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosting:
    """What the AWS APIs ask, and what is to be done for it."""

    service: HostingService
    asynchronous: AsyncInference
    targets: TargetModels
    chain: ContainerChain
    series: MetricSeries
    alarms: MetricAlarms
    events: EventService
    duties: tuple[Duty, ...]


def build_data_captures(context: Context, store: AwsStore | None) -> DataCaptures | None:
    """What writes captures into buckets; None without any."""
    if store is None:
        return None
    return DataCaptures(store.documents, store.files, context.home.run / "data-capture", context.clock)


def build_hosting(
    context: Context,
    registry: RegistryClient,
    endpoints: EndpointService,
    events: EventService,
    store: AwsStore,
    recorded: DataCaptures,
) -> Hosting:
    """Wired on the context's database and its store; `recorded` has lines to store now and then."""
    gateway = GatewayCaller(context.home.run / "gateway.json", context.settings.tls_certificate)
    following = GatewayFollowing(context.home.routing, gateway.figures)
    service = HostingService(store.documents, endpoints, following.has, store.files.exists)
    registration = ModelRegistration(registry, store.files, context.home.run / "hosting")
    series = MetricSeries(store.documents, context.clock)
    alarms = MetricAlarms(store.documents, series, context.clock)
    carrier = HostingCarrier(service, store.documents, endpoints, registration, alarms)
    invoker = SignedInvoker(context.home.run / "gateway.json", context.settings.tls_certificate, store.keys.secret)
    asynchronous = AsyncInference(store.documents, store.files, invoker, context.clock)
    limit = context.settings.multi_model_limit
    targets = TargetModels(store.documents, service, store.files, context.clock, limit)
    figures = EndpointFigures(store.documents, series, gateway.figures, targets.note_use)
    duties = (
        Duty(name="hosting.figures", interval_seconds=BUCKET_SECONDS / 2, run=figures.look, is_shared=True),
        Duty(
            name="hosting.carry",
            interval_seconds=ROUND_SECONDS,
            run=carrier.run_once,
            awake=service.awake,
            is_shared=True,
        ),
        Duty(
            name="hosting.asynchronous",
            interval_seconds=ROUND_SECONDS,
            run=asynchronous.run_once,
            awake=asynchronous.awake,
            is_shared=True,
        ),
        Duty(
            name="hosting.captures",
            interval_seconds=CAPTURE_SECONDS,
            run=recorded.run_once,
            gives_way=True,
        ),
    )
    return Hosting(
        service=service,
        asynchronous=asynchronous,
        targets=targets,
        chain=ContainerChain(invoker),
        series=series,
        alarms=alarms,
        events=events,
        duties=duties,
    )
