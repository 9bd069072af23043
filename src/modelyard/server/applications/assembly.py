"""Joins the applications of one process: with each other where they are together, over HTTP where they are not."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from starlette.types import ASGIApp

from modelyard.control.access.secrets import secret_digest
from modelyard.control.clients.contracts import JobsClient, OperationsClient, RegistryClient
from modelyard.control.clients.http_jobs import HttpJobsClient
from modelyard.control.clients.http_operations import HttpOperationsClient
from modelyard.control.clients.http_registry import HttpRegistryClient
from modelyard.control.pipelines.errors import OperationsMissingError
from modelyard.control.rest.authentication import CachedAuthenticator
from modelyard.control.rest.guard import Guard
from modelyard.server.applications.application import Application
from modelyard.server.applications.context import Context
from modelyard.server.applications.jobs import Jobs, build_jobs
from modelyard.server.applications.operations import Operations, build_operations
from modelyard.server.applications.registry import build_registry
from modelyard.server.aws.assembly import AwsParts, build_aws
from modelyard.server.aws.store import aws_store
from modelyard.server.duties import Duty
from modelyard.server.names import APPLICATIONS
from modelyard.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembled:
    """What one process serves.

    Attributes:
        aws: makes the AWS APIs, which need all three applications; None where one of them is elsewhere.
    """

    applications: list[Application]
    aws: Callable[[], ASGIApp] | None = None
    aws_duties: tuple[Duty, ...] = ()


def assemble(context: Context, names: tuple[str, ...]) -> Assembled:
    """The applications of `names`, wired."""
    made: list[Application] = []
    local = build_registry(context) if "registry" in names else None
    if local is not None:
        registry, guard = local.client, local.guard
        made.append(local.application)
    else:
        registry, guard = _remote_registry(context)
    jobs: JobsClient
    built: Jobs | None = None
    operations = OperationsLink(context.settings)
    store = aws_store(context, local.services.access_keys) if local and len(names) == len(APPLICATIONS) else None
    if "jobs" in names:
        built = build_jobs(context, registry, guard, operations)
        if store is not None:
            built.buckets.join(store.files)
        jobs = built.client
        made.append(built.application)
    else:
        jobs = HttpJobsClient(context.settings.jobs_url, context.settings.service_token.get_secret_value())
    served: Operations | None = None
    if "operations" in names:
        served = build_operations(context, registry, jobs, guard, store)
        operations.client = served.client
        made.append(served.application)
    if store is None or built is None or served is None or served.hosting is None:
        return Assembled(applications=made)
    parts = AwsParts(context=context, guard=guard, jobs=built, store=store, hosting=served.hosting)
    return Assembled(applications=made, aws=partial(build_aws, parts), aws_duties=store.duties())


class OperationsLink:
    """Ties the knot: Operations is wired with Jobs, and pipelines reach Operations once all is wired."""

    def __init__(self, settings: Settings) -> None:
        self.client: OperationsClient | None = None
        if settings.operations_url:
            self.client = HttpOperationsClient(settings.operations_url, settings.service_token.get_secret_value())

    def __call__(self) -> OperationsClient:
        """The client.

        Raises:
            OperationsMissingError: Jobs runs alone and was not told where Operations is.
        """
        if self.client is None:
            raise OperationsMissingError(
                "This Jobs application does not know where Operations is, and cannot deploy or notify",
                hint="Start it with `--operations http://host:port`, or set MODELYARD_OPERATIONS_URL.",
            )
        return self.client


def _remote_registry(context: Context) -> tuple[RegistryClient, Guard]:
    settings = context.settings
    client = HttpRegistryClient(settings.registry_url, settings.service_token.get_secret_value())
    authenticator = CachedAuthenticator(client, context.clock, secret_digest)
    return client, Guard(authenticator, client.project_exists)
