"""The control process: one, two or all three REST applications, their workflows and their duties.

Crash-only: killed at any line, the next one takes up what was under way. Listens on a Unix socket behind the gateway,
or on TCP when an application runs alone.
"""

import argparse
import json
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from modelyard.control.rest import errors
from modelyard.control.telemetry.exporting import EXPORT_SECONDS, OtlpExport
from modelyard.control.telemetry.figures import FiguresMiddleware
from modelyard.engines.base import Engine
from modelyard.engines.choice import open_engine
from modelyard.errors import ModelyardError
from modelyard.kit.addresses import local_url
from modelyard.kit.files import write_atomic
from modelyard.server.applications.application import Application
from modelyard.server.applications.assembly import assemble
from modelyard.server.applications.context import open_context
from modelyard.server.aws.gate import AwsGate
from modelyard.server.duties import Duties, Duty
from modelyard.server.housekeeping import Housekeeping
from modelyard.server.names import APPLICATIONS
from modelyard.server.pages import index_page
from modelyard.settings import Home, Settings
from modelyard.storage.presence import LOOK_SECONDS


def main(make_engine: Callable[[Settings], Engine] = open_engine) -> None:
    """Entry point: `python -m modelyard.server.control --home H [--applications registry,jobs] [--tcp]`."""
    parser = argparse.ArgumentParser(prog="modelyard.server.control")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--applications", default=",".join(APPLICATIONS))
    parser.add_argument("--tcp", action="store_true", help="listen on the host and port of the settings")
    arguments = parser.parse_args()
    settings = Settings(home=arguments.home)
    try:
        run(settings, tuple(arguments.applications.split(",")), make_engine, is_tcp=arguments.tcp)
    except ModelyardError as error:
        sys.exit(f"{error.message}. {error.hint}")


def run(
    settings: Settings, names: tuple[str, ...], make_engine: Callable[[Settings], Engine] = open_engine, *, is_tcp: bool
) -> None:
    """Serve until SIGTERM, of which uvicorn lets this process die once it has answered what it held.

    Workflows under way are not waited for: the next start takes them up. Processes of the engine live on.
    """
    context = open_context(settings, names, make_engine)
    assembled = assemble(context, names)
    applications = assembled.applications
    context.durable.launch()
    for application in applications:
        application.on_start()
    presence = context.presence
    own = [
        Duty(name="presence.look", interval_seconds=LOOK_SECONDS, run=presence.look),
        Duty(
            name="workflows.take_over",
            interval_seconds=LOOK_SECONDS,
            run=lambda: context.durable.take_over(presence.gone, may_act=presence.has_duties),
        ),
        Duty(name="housekeeping", interval_seconds=3600.0, run=Housekeeping(context).run),
    ]
    figures = context.figures
    export = [_start_export(context.export)] if context.export is not None else []
    duties = Duties(
        [*own, *export, *assembled.aws_duties, *(duty for each in applications for duty in each.duties)],
        lambda name, seconds, is_good: figures.round_done(name, seconds, is_good=is_good),
        lambda: presence.has_duties,
    )
    duties.start()
    _serve(FiguresMiddleware(AwsGate(mount(applications), assembled.aws), figures), settings, is_tcp=is_tcp)


def _start_export(export: OtlpExport) -> Duty:
    export.tee_logs()
    return Duty(name="telemetry.export", interval_seconds=EXPORT_SECONDS, run=export.export_metrics)


def mount(applications: list[Application]) -> Starlette:
    """One ASGI application with each of ours at its path, and a page that links to their API pages."""
    paths = [application.path for application in applications]
    routes = [Mount(application.path, application.asgi) for application in applications]
    routes += [Mount(path, asgi) for application in applications for path, asgi in application.mounts]
    index = index_page(paths)
    root = Starlette(routes=[Route("/", index), Route("/docs", index), Route("/health", _health), *routes])
    errors.install(root)  # a mistyped path is answered like every other mistake
    return root


async def _health(_request: Request) -> JSONResponse:
    return JSONResponse({"status": "ok"})


class Server(uvicorn.Server):
    """Says where it listens once it does, if that is not the Unix socket: the system may have chosen the port."""

    def __init__(self, config: uvicorn.Config, home: Home) -> None:
        super().__init__(config)
        self._home = home

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Bind, then publish the address."""
        await super().startup(sockets)
        if self.config.uds is None and self.servers:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            url = local_url(host, port, has_tls=self.config.is_ssl)
            write_atomic(self._home.run / "gateway.json", json.dumps({"url": url, "pid": os.getpid()}).encode())


def _serve(asgi: ASGIApp, settings: Settings, *, is_tcp: bool) -> None:
    path = settings.layout.sockets / "control.sock"
    path.unlink(missing_ok=True)
    config = uvicorn.Config(
        asgi,
        uds=None if is_tcp else str(path),
        host=settings.host,
        port=settings.port,
        ssl_certfile=settings.tls_certificate if is_tcp else None,
        ssl_keyfile=settings.tls_key if is_tcp else None,
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=5,
        timeout_keep_alive=75,
        lifespan="off",
    )
    Server(config, settings.layout).run()


if __name__ == "__main__":
    main()
