"""Joins the AWS APIs with the services behind them. Knows the AWS libraries only inside `build_aws`."""

from collections.abc import Iterator
from dataclasses import dataclass

from starlette.types import ASGIApp

from modelyard.control.buckets.files import S3Files
from modelyard.control.buckets.service import BucketService
from modelyard.control.documents.repository import DocumentRepository
from modelyard.control.documents.service import DocumentService
from modelyard.control.rest.guard import Guard
from modelyard.server.applications.context import Context
from modelyard.server.applications.jobs import Jobs
from modelyard.server.applications.registry import RegistryServices
from modelyard.server.aws.account import account_id
from modelyard.server.aws.object_server import LOOK_SECONDS, ObjectServer
from modelyard.server.duties import Duty


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsParts:
    """What operations may use. Whoever adds operations adds here the services that they call.

    Attributes:
        documents: keeps what AWS's objects carry that ours do not.
        store: the S3 store.
        files: its objects by s3:// address, for jobs and hosting.
    """

    context: Context
    guard: Guard
    registry: RegistryServices
    jobs: Jobs
    documents: DocumentService
    buckets: BucketService
    store: ObjectServer
    files: S3Files


def aws_parts(context: Context, guard: Guard, registry: RegistryServices, jobs: Jobs) -> AwsParts:
    """What the facade stands on, made at the start; the facade itself waits until somebody asks for it."""
    documents = DocumentService(context.database, DocumentRepository(), context.clock)
    buckets = BucketService(documents, context.clock)
    store = ObjectServer(context.settings, registry.access_keys, buckets)
    files = S3Files(store, buckets)
    jobs.buckets.join(files)
    return AwsParts(
        context=context,
        guard=guard,
        registry=registry,
        jobs=jobs,
        documents=documents,
        buckets=buckets,
        store=store,
        files=files,
    )


def aws_duties(parts: AwsParts) -> tuple[Duty, ...]:
    """What the AWS APIs do besides answering."""
    store = parts.store
    return (Duty(name="s3.server", interval_seconds=LOOK_SECONDS, run=store.look, awake=store.awake),)


def build_aws(parts: AwsParts) -> ASGIApp:
    """Every AWS API as one ASGI application."""
    from modelyard.facades.aws.s3.application import S3Application  # noqa: PLC0415 - the extra's libraries
    from modelyard.facades.aws.wire.application import AwsApplication  # noqa: PLC0415
    from modelyard.facades.aws.wire.identity import Installation  # noqa: PLC0415
    from modelyard.facades.aws.wire.operations import Catalog, operations_of  # noqa: PLC0415

    installation = Installation(
        account_id=account_id(parts.documents),
        guard=parts.guard,
        access_keys=parts.registry.access_keys,
        audit=parts.context.audit,
        clock=parts.context.clock,
    )
    s3 = S3Application(installation, parts.buckets, parts.store)
    return AwsApplication(installation, Catalog(operations_of(*_holders(parts))), {"s3": s3})


def _holders(parts: AwsParts) -> Iterator[object]:
    """The objects whose marked methods are the operations, service by service."""
    from modelyard.facades.aws.iam.operations import IamOperations  # noqa: PLC0415 - the extra's libraries
    from modelyard.facades.aws.logs.operations import LogOperations  # noqa: PLC0415
    from modelyard.facades.aws.sagemaker.tags.operations import TagOperations  # noqa: PLC0415
    from modelyard.facades.aws.sagemaker.training.operations import TrainingJobOperations  # noqa: PLC0415
    from modelyard.facades.aws.sts.operations import StsOperations  # noqa: PLC0415

    context = parts.context
    yield StsOperations(parts.registry.access_keys)
    yield IamOperations()
    yield TagOperations(parts.documents)
    yield LogOperations(parts.documents, parts.jobs.read_log)
    yield TrainingJobOperations(parts.jobs.contracts, parts.documents, context.clock, context.settings.job_memory_bytes)
