"""`modelyard serve registry|jobs|operations`: one application alone, on its own database.

The others are reached over HTTP (MODELYARD_REGISTRY_URL, MODELYARD_JOBS_URL) with MODELYARD_SERVICE_TOKEN. Operations
comes with its gateway, since it is what serves models; the other two listen by themselves.
"""

import argparse
import json
import os
import sys
from pathlib import Path

from modelyard.errors import InvalidInputError, ModelyardError
from modelyard.kit.files import write_atomic
from modelyard.kit.locks import FileLock
from modelyard.server.names import APPLICATIONS
from modelyard.server.up import Supervisor, check_listen, end_processes, remove_stale, say_ready, write_state
from modelyard.settings import Settings

NEEDS = {"registry": (), "jobs": ("registry_url",), "operations": ("registry_url", "jobs_url")}


class PeerMissingError(InvalidInputError):
    """An application was started without the address of one that it needs."""

    code = "peer_missing"


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="modelyard serve", description="Run one application alone.")
    parser.add_argument("application", choices=APPLICATIONS)
    parser.add_argument("--home", type=Path, help="state directory of this application")
    parser.add_argument("--database", dest="database_url", help="SQLAlchemy URL; by default SQLite in --home")
    parser.add_argument("--objects", dest="objects_url", help="object store URL; by default files in --home")
    parser.add_argument("--registry", dest="registry_url", help="address of the Registry, as http://host:port")
    parser.add_argument("--jobs", dest="jobs_url", help="address of the Jobs application")
    parser.add_argument("--host", help="address to listen on")
    parser.add_argument("--port", type=int, help="port; 0 lets the system choose")
    parser.add_argument("--tls-certificate", type=Path)
    parser.add_argument("--tls-key", type=Path)
    parser.add_argument("--insecure", action="store_true", default=None)
    given = {name: value for name, value in vars(parser.parse_args()).items() if value is not None}
    application = given.pop("application")
    try:
        serve(application, Settings(**given))
    except ModelyardError as error:
        sys.exit(f"{error.message}. {error.hint}")


def serve(application: str, settings: Settings) -> None:
    """Until a signal says stop.

    Raises:
        PeerMissingError: it needs the address of another application, or the token for it.
        ListenRefusedError: not loopback and no TLS.
    """
    check_listen(settings)
    for need in NEEDS[application]:
        if not getattr(settings, need):
            raise PeerMissingError(
                f"`modelyard serve {application}` needs the address of the {need.removesuffix('_url')} application",
                hint=f"Give --{need.removesuffix('_url')} http://host:port or set MODELYARD_{need.upper()}.",
                field=need,
            )
    if NEEDS[application] and not settings.service_token.get_secret_value():
        raise PeerMissingError(
            f"`modelyard serve {application}` needs a token with which it calls the other applications",
            hint="Set MODELYARD_SERVICE_TOKEN to an admin token of the registry.",
            field="service_token",
        )
    if application == "operations":
        Supervisor(settings, (application,)).run()
    else:
        _serve_alone(application, settings)


def _serve_alone(application: str, settings: Settings) -> None:
    """In this very process: whoever started it starts it again if it crashes.

    Raises:
        ResourceBusyError: another platform runs in this state directory.
    """
    from modelyard.server.control import run  # noqa: PLC0415 - two seconds that the supervisor does not need

    home = settings.layout
    home.create()
    with FileLock(home.run / "platform.lock", "Modelyard already runs in this state directory"):
        is_new = not home.token.exists()

        def publish(url: str) -> None:
            write_atomic(home.run / "gateway.json", json.dumps({"url": url, "pid": os.getpid()}).encode())
            write_state(home, {application: os.getpid()})
            say_ready(home, url, is_new=is_new)

        try:
            run(settings, (application,), publish)
        finally:
            end_processes(home)
            remove_stale(home)


if __name__ == "__main__":
    main()
