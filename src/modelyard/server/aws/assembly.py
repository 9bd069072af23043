"""Joins the AWS APIs with the services behind them. Knows the AWS libraries only inside `build_aws`."""

from collections.abc import Iterator
from dataclasses import dataclass

from starlette.types import ASGIApp

from modelyard.control.documents.repository import DocumentRepository
from modelyard.control.documents.service import DocumentService
from modelyard.control.rest.guard import Guard
from modelyard.server.applications.context import Context
from modelyard.server.applications.hosting import Hosting
from modelyard.server.applications.jobs import Jobs
from modelyard.server.applications.registry import RegistryServices
from modelyard.server.aws.account import account_id


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsParts:
    """What operations may use. Whoever adds operations adds here the services that they call.

    Attributes:
        documents: keeps what AWS's objects carry that ours do not.
    """

    context: Context
    guard: Guard
    registry: RegistryServices
    jobs: Jobs
    documents: DocumentService
    hosting: Hosting


def documents_of(context: Context) -> DocumentService:
    """The facades' memory."""
    return DocumentService(context.database, DocumentRepository(), context.clock)


def build_aws(parts: AwsParts) -> ASGIApp:
    """Every AWS API as one ASGI application."""
    from modelyard.facades.aws.wire.application import AwsApplication, Installation  # noqa: PLC0415 - the extra's
    from modelyard.facades.aws.wire.operations import Catalog, operations_of  # noqa: PLC0415

    installation = Installation(
        account_id=account_id(parts.documents),
        guard=parts.guard,
        access_keys=parts.registry.access_keys,
        clock=parts.context.clock,
    )
    return AwsApplication(installation, Catalog(operations_of(*_holders(parts))), {})


def _holders(parts: AwsParts) -> Iterator[object]:
    """The objects whose marked methods are the operations, service by service."""
    from modelyard.facades.aws.sagemaker.hosting.asynchronous import AsyncOperations  # noqa: PLC0415 - the extra's
    from modelyard.facades.aws.sagemaker.hosting.configs import EndpointConfigOperations  # noqa: PLC0415 - the extra's
    from modelyard.facades.aws.sagemaker.hosting.endpoints import EndpointOperations  # noqa: PLC0415
    from modelyard.facades.aws.sagemaker.hosting.models import ModelOperations  # noqa: PLC0415
    from modelyard.facades.aws.sagemaker.training.operations import TrainingJobOperations  # noqa: PLC0415 - the extra's
    from modelyard.facades.aws.sts.operations import StsOperations  # noqa: PLC0415

    context = parts.context
    yield StsOperations()
    yield TrainingJobOperations(parts.jobs.contracts, parts.documents, context.clock, context.settings.job_memory_bytes)
    hosting, documents = parts.hosting, parts.documents
    yield ModelOperations(documents, hosting.service)
    yield EndpointConfigOperations(documents)
    yield EndpointOperations(documents, hosting.service)
    if hosting.asynchronous is not None:
        yield AsyncOperations(documents, hosting.service, hosting.asynchronous, context.clock)
