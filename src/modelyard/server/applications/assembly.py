"""Joins the applications of one process: with each other where they are together, over HTTP where they are not."""

from modelyard.control.access.secrets import secret_digest
from modelyard.control.clients.contracts import JobsClient, RegistryClient
from modelyard.control.clients.http_jobs import HttpJobsClient
from modelyard.control.clients.http_registry import HttpRegistryClient
from modelyard.control.rest.authentication import CachedAuthenticator
from modelyard.control.rest.guard import Guard
from modelyard.server.applications.application import Application
from modelyard.server.applications.context import Context
from modelyard.server.applications.jobs import build_jobs
from modelyard.server.applications.operations import build_operations
from modelyard.server.applications.registry import build_registry


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
    if "jobs" in names:
        built = build_jobs(context, registry, guard)
        jobs = built.client
        made.append(built.application)
    else:
        jobs = HttpJobsClient(context.settings.jobs_url, context.settings.service_token.get_secret_value())
    if "operations" in names:
        made.append(build_operations(context, registry, jobs, guard))
    return made


def _remote_registry(context: Context) -> tuple[RegistryClient, Guard]:
    settings = context.settings
    client = HttpRegistryClient(settings.registry_url, settings.service_token.get_secret_value())
    authenticator = CachedAuthenticator(client, context.clock, secret_digest)
    return client, Guard(authenticator, client.project_exists)
