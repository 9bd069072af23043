"""Joins the applications of one process: with each other where they are together, over HTTP where they are not."""

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
from modelyard.server.applications.jobs import build_jobs
from modelyard.server.applications.operations import build_operations
from modelyard.server.applications.registry import build_registry
from modelyard.settings import Settings


def assemble(context: Context, names: tuple[str, ...]) -> list[Application]:
    """The applications of `names`, wired."""
    made: list[Application] = []
    if "registry" in names:
        local = build_registry(context)
        registry, guard = local.client, local.guard
        made.append(local.application)
    else:
        registry, guard = _remote_registry(context)
    jobs: JobsClient
    operations = OperationsLink(context.settings)
    if "jobs" in names:
        built = build_jobs(context, registry, guard, operations)
        jobs = built.client
        made.append(built.application)
    else:
        jobs = HttpJobsClient(context.settings.jobs_url, context.settings.service_token.get_secret_value())
    if "operations" in names:
        served = build_operations(context, registry, jobs, guard)
        operations.client = served.client
        made.append(served.application)
    return made


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
