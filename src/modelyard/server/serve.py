"""`modelyard serve registry|jobs|operations`: one application alone, on its own database.

The others are reached over HTTP (MODELYARD_REGISTRY_URL, MODELYARD_JOBS_URL) with MODELYARD_SERVICE_TOKEN; Jobs needs
Operations (MODELYARD_OPERATIONS_URL) only for pipelines that deploy, notify or wait for drift. Operations comes with
its gateway, since it is what serves models; the other two listen by themselves.
"""

import argparse

from modelyard.control.clients.http import HttpApplication
from modelyard.errors import (
    InvalidInputError,
    ModelyardError,
    PermissionDeniedError,
    UnauthenticatedError,
    UnavailableError,
)
from modelyard.server.arguments import add_listen_options, read_settings
from modelyard.server.exits import leave
from modelyard.server.names import APPLICATIONS
from modelyard.server.up import Supervisor
from modelyard.settings import Settings
from modelyard.types.access import Principal, Role

NEEDS = {"registry": (), "jobs": ("registry_url",), "operations": ("registry_url", "jobs_url")}


class PeerMissingError(InvalidInputError):
    """An application was started without the address of one that it needs, or the token for it."""

    code = "peer_missing"


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="modelyard serve", description="Run one application alone.")
    parser.add_argument("application", choices=APPLICATIONS)
    parser.add_argument("--database", dest="database_url", help="SQLAlchemy URL; by default SQLite in --home")
    parser.add_argument("--objects", dest="objects_url", help="object store URL; by default files in --home")
    parser.add_argument("--registry", dest="registry_url", help="address of the Registry, as http://host:port")
    parser.add_argument("--jobs", dest="jobs_url", help="address of the Jobs application")
    parser.add_argument(
        "--operations", dest="operations_url", help="address of Operations, where pipelines deploy; for jobs alone"
    )
    add_listen_options(parser)
    arguments = vars(parser.parse_args())
    application = arguments.pop("application")
    try:
        serve(application, read_settings(arguments))
    except ModelyardError as error:
        leave(error)


def serve(application: str, settings: Settings) -> None:
    """Until a signal says stop.

    Raises:
        PeerMissingError: it needs the address of another application, or the token for it.
        ListenRefusedError: not loopback and no TLS.
        ResourceBusyError: another platform runs in this state directory.
    """
    for need in NEEDS[application]:
        peer = need.removesuffix("_url")
        if not getattr(settings, need):
            raise PeerMissingError(
                f"`modelyard serve {application}` needs the address of the {peer} application",
                hint=f"Give --{peer} http://host:port or set MODELYARD_{need.upper()}.",
                field=need,
            )
    if NEEDS[application]:
        _check_token(settings)
    Supervisor(settings, (application,)).run()


def _check_token(settings: Settings) -> None:
    """Find out now that the token is no good: later its refusals would look like those of the callers' tokens."""
    secret = settings.service_token.get_secret_value()
    if not secret:
        raise _token_refused("There is no token with which the other applications could be called")
    registry = HttpApplication(f"{settings.registry_url.rstrip('/')}/registry/v1", secret)
    try:
        principal = registry.call("GET", "/whoami", Principal)
    except UnavailableError:
        return  # the registry may be started later
    except (UnauthenticatedError, PermissionDeniedError) as error:
        raise _token_refused(f"The registry refuses the service token: {error.message}") from error
    finally:
        registry.close()
    if principal.role is not Role.ADMIN or principal.project is not None:
        raise _token_refused(f"The service token '{principal.name}' is not one of an administrator of all projects")


def _token_refused(message: str) -> PeerMissingError:
    hint = "Set MODELYARD_SERVICE_TOKEN to an admin token of the registry that is bound to no project."
    return PeerMissingError(message, hint=hint, field="service_token")


if __name__ == "__main__":
    main()
