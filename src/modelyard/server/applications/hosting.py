"""Wires hosting: models, endpoints and asynchronous requests of SageMaker's programs."""

from collections.abc import Callable
from dataclasses import dataclass

from modelyard.control.clients.contracts import RegistryClient
from modelyard.control.documents.repository import DocumentRepository
from modelyard.control.documents.service import DocumentService
from modelyard.control.endpoints.service import EndpointService
from modelyard.control.hosting.asynchronous import AsyncInference
from modelyard.control.hosting.carrying import HostingCarrier
from modelyard.control.hosting.registration import ModelRegistration
from modelyard.control.hosting.service import HostingService
from modelyard.server.applications.context import Context
from modelyard.server.aws.invoking import SignedInvoker
from modelyard.server.aws.sources import EnvironmentObjects
from modelyard.server.duties import Duty

ROUND_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosting:
    """What the AWS APIs ask, and what is to be done for it.

    Attributes:
        asynchronous: None where access keys are in another process.
    """

    service: HostingService
    asynchronous: AsyncInference | None
    duties: tuple[Duty, ...]


def build_hosting(
    context: Context,
    registry: RegistryClient,
    endpoints: EndpointService,
    secret_of: Callable[[str], str] | None,
) -> Hosting:
    """Wired on the context's database; `secret_of` knows the secrets of access keys, if they are in this process."""
    documents = DocumentService(context.database, DocumentRepository(), context.clock)
    objects = EnvironmentObjects()
    service = HostingService(documents, endpoints)
    registration = ModelRegistration(registry, objects, context.home.run / "hosting")
    carrier = HostingCarrier(service, documents, endpoints, registration)
    duties = [
        Duty(
            name="hosting.carry",
            interval_seconds=ROUND_SECONDS,
            run=carrier.run_once,
            awake=service.awake,
            is_shared=True,
        )
    ]
    asynchronous: AsyncInference | None = None
    if secret_of is not None:
        invoker = SignedInvoker(context.home.run / "gateway.json", context.settings.tls_certificate, secret_of)
        asynchronous = AsyncInference(documents, objects, invoker, context.clock)
        duties.append(
            Duty(
                name="hosting.asynchronous",
                interval_seconds=ROUND_SECONDS,
                run=asynchronous.run_once,
                awake=asynchronous.awake,
                is_shared=True,
            )
        )
    return Hosting(service=service, asynchronous=asynchronous, duties=tuple(duties))
