"""Joins the applications of one process: with each other where they are together, over HTTP where they are not."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from starlette.types import ASGIApp

from modelyard.control.access.secrets import secret_digest
from modelyard.control.clients.contracts import JobsClient, RegistryClient
from modelyard.control.clients.http_jobs import HttpJobsClient
from modelyard.control.clients.http_registry import HttpRegistryClient
from modelyard.control.rest.authentication import CachedAuthenticator
from modelyard.control.rest.guard import Guard
from modelyard.server.applications.application import Application
from modelyard.server.applications.context import Context
from modelyard.server.applications.jobs import Jobs, build_jobs
from modelyard.server.applications.operations import build_operations
from modelyard.server.applications.registry import build_registry
from modelyard.server.aws.assembly import aws_duties, aws_parts, build_aws
from modelyard.server.duties import Duty
from modelyard.server.names import APPLICATIONS


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
    if "jobs" in names:
        built = build_jobs(context, registry, guard)
        jobs = built.client
        made.append(built.application)
    else:
        jobs = HttpJobsClient(context.settings.jobs_url, context.settings.service_token.get_secret_value())
    if "operations" in names:
        made.append(build_operations(context, registry, jobs, guard))
    if len(made) < len(APPLICATIONS) or local is None or built is None:
        return Assembled(applications=made)
    parts = aws_parts(context, guard, local.services, built)
    return Assembled(applications=made, aws=partial(build_aws, parts), aws_duties=aws_duties(parts))


def _remote_registry(context: Context) -> tuple[RegistryClient, Guard]:
    settings = context.settings
    client = HttpRegistryClient(settings.registry_url, settings.service_token.get_secret_value())
    authenticator = CachedAuthenticator(client, context.clock, secret_digest)
    return client, Guard(authenticator, client.project_exists)
