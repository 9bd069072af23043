"""Joins the AWS APIs with the services behind them. Knows the AWS libraries only inside `build_aws`."""

from collections.abc import Iterator
from dataclasses import dataclass

from starlette.types import ASGIApp

from modelyard.control.jobs.contract.images import repositories
from modelyard.control.rest.guard import Guard
from modelyard.server.applications.context import Context
from modelyard.server.applications.hosting import Hosting
from modelyard.server.applications.jobs import Jobs
from modelyard.server.aws.account import account_id
from modelyard.server.aws.store import AwsStore


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsParts:
    """What operations may use. Whoever adds operations adds here the services that they call."""

    context: Context
    guard: Guard
    jobs: Jobs
    store: AwsStore
    hosting: Hosting


def build_aws(parts: AwsParts) -> ASGIApp:
    """Every AWS API as one ASGI application."""
    from modelyard.facades.aws.s3.application import S3Application  # noqa: PLC0415 - the extra's libraries
    from modelyard.facades.aws.wire.application import AwsApplication  # noqa: PLC0415
    from modelyard.facades.aws.wire.identity import Installation  # noqa: PLC0415
    from modelyard.facades.aws.wire.operations import Catalog, operations_of  # noqa: PLC0415

    store = parts.store
    installation = Installation(
        account_id=account_id(store.documents),
        guard=parts.guard,
        access_keys=store.keys,
        audit=parts.context.audit,
        clock=parts.context.clock,
    )
    s3 = S3Application(installation, store.buckets, store.server)
    return AwsApplication(installation, Catalog(operations_of(*_holders(parts))), {"s3": s3})


def _holders(parts: AwsParts) -> Iterator[object]:
    """The objects whose marked methods are the operations, service by service."""
    from modelyard.facades.aws.autoscaling.activities import ScalingActivityOperations  # noqa: PLC0415
    from modelyard.facades.aws.autoscaling.operations import ScalingOperations  # noqa: PLC0415
    from modelyard.facades.aws.cloudwatch.alarms import AlarmOperations  # noqa: PLC0415 - the extra's libraries
    from modelyard.facades.aws.cloudwatch.metrics import MetricOperations  # noqa: PLC0415
    from modelyard.facades.aws.ecr.operations import RepositoryOperations  # noqa: PLC0415
    from modelyard.facades.aws.iam.policies import PolicyOperations  # noqa: PLC0415
    from modelyard.facades.aws.iam.roles import RoleOperations  # noqa: PLC0415
    from modelyard.facades.aws.iam.users import UserOperations  # noqa: PLC0415
    from modelyard.facades.aws.logs.operations import LogOperations  # noqa: PLC0415
    from modelyard.facades.aws.logs.streams import EndpointLogs, JobLogs  # noqa: PLC0415
    from modelyard.facades.aws.sagemaker.hosting.asynchronous import AsyncOperations  # noqa: PLC0415
    from modelyard.facades.aws.sagemaker.hosting.configs import EndpointConfigOperations  # noqa: PLC0415
    from modelyard.facades.aws.sagemaker.hosting.endpoints import KIND as ENDPOINT  # noqa: PLC0415
    from modelyard.facades.aws.sagemaker.hosting.endpoints import EndpointOperations  # noqa: PLC0415
    from modelyard.facades.aws.sagemaker.hosting.invocations import InvocationOperations  # noqa: PLC0415
    from modelyard.facades.aws.sagemaker.hosting.models import ModelOperations  # noqa: PLC0415
    from modelyard.facades.aws.sagemaker.search.operations import SearchOperations  # noqa: PLC0415
    from modelyard.facades.aws.sagemaker.search.resources import searched  # noqa: PLC0415
    from modelyard.facades.aws.sagemaker.tags.operations import TagOperations  # noqa: PLC0415
    from modelyard.facades.aws.sagemaker.training.operations import TrainingJobOperations  # noqa: PLC0415
    from modelyard.facades.aws.sts.operations import StsOperations  # noqa: PLC0415

    context, documents, hosting = parts.context, parts.store.documents, parts.hosting
    yield StsOperations(parts.store.keys, documents)
    yield from (RoleOperations(documents), PolicyOperations(), UserOperations(parts.store.keys))
    yield TagOperations(documents)
    of_endpoints = EndpointLogs(ENDPOINT, documents, hosting.service, context.engine.logs)
    yield LogOperations(JobLogs(documents, parts.jobs.read_log), of_endpoints)
    yield RepositoryOperations(repositories())
    yield MetricOperations(hosting.series)
    yield AlarmOperations(hosting.alarms)
    yield ScalingOperations(documents, hosting.service, context.clock)
    yield ScalingActivityOperations(documents, hosting.events)
    training = TrainingJobOperations(parts.jobs.contracts, documents, context.clock, context.settings.job_memory_bytes)
    models, endpoints = ModelOperations(documents, hosting.service), EndpointOperations(documents, hosting.service)
    yield from (training, models, endpoints)
    yield SearchOperations(documents, searched(training, models, endpoints))
    yield EndpointConfigOperations(documents)
    yield InvocationOperations(hosting.service, hosting.targets, hosting.chain)
    yield AsyncOperations(documents, hosting.service, hosting.asynchronous, parts.store.keys, context.clock)
