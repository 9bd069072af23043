"""The control process: one, two or all three REST applications, their workflows and their duties.

Crash-only: killed at any line, the next one takes up what was under way. Listens on a Unix socket behind the gateway,
or on TCP when an application runs alone.
"""

import argparse
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from modelyard.errors import ModelyardError
from modelyard.server.application import Application
from modelyard.server.assembly import assemble
from modelyard.server.context import open_context
from modelyard.server.duties import Duties, Duty
from modelyard.server.housekeeping import Housekeeping
from modelyard.server.names import APPLICATIONS
from modelyard.server.pages import index_page
from modelyard.settings import Settings


def main() -> None:
    """Entry point: `python -m modelyard.server.control --home H [--applications registry,jobs]`."""
    parser = argparse.ArgumentParser(prog="modelyard.server.control")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--applications", default=",".join(APPLICATIONS))
    arguments = parser.parse_args()
    settings = Settings(home=arguments.home)
    try:
        run(settings, tuple(arguments.applications.split(",")))
    except ModelyardError as error:
        sys.exit(f"{error.message}. {error.hint}")


def run(settings: Settings, names: tuple[str, ...], on_ready: Callable[[str], None] | None = None) -> None:
    """Serve until SIGTERM. Processes of the engine live on: they belong to the platform, not to this process.

    Args:
        settings: of the platform.
        names: the applications to serve.
        on_ready: None: listen on the Unix socket behind the gateway; else on host and port of the settings, and call
            this with the address once they are bound.
    """
    signal.signal(signal.SIGTERM, _leave)
    context = open_context(settings, names)
    applications = assemble(context, names)
    context.durable.launch()
    for application in applications:
        application.on_start()
    housekeeping = Duty(name="housekeeping", interval_seconds=3600.0, run=Housekeeping(context).run)
    duties = Duties([housekeeping, *(duty for application in applications for duty in application.duties)])
    duties.start()
    try:
        _serve(mount(applications), settings, on_ready)
    finally:
        duties.stop()
        context.close()


def mount(applications: list[Application]) -> Starlette:
    """One ASGI application with each of ours at its path, and a page that links to their API pages."""
    paths = [application.path for application in applications]
    routes = [Mount(application.path, application.asgi) for application in applications]
    return Starlette(routes=[Route("/", index_page(paths)), Route("/health", _health), *routes])


async def _health(_request: Request) -> JSONResponse:
    return JSONResponse({"status": "ok"})


class Server(uvicorn.Server):
    """Says where it listens once it does: the port may have been chosen by the system."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[str], None] | None) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Bind, then say the address."""
        await super().startup(sockets)
        if self._on_ready is not None and self.servers:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            scheme = "https" if self.config.is_ssl else "http"
            self._on_ready(f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}")


def _serve(asgi: Starlette, settings: Settings, on_ready: Callable[[str], None] | None) -> None:
    path = settings.layout.sockets / "control.sock"
    path.unlink(missing_ok=True)
    config = uvicorn.Config(
        asgi,
        uds=str(path) if on_ready is None else None,
        host=settings.host,
        port=settings.port,
        ssl_certfile=settings.tls_certificate if on_ready else None,
        ssl_keyfile=settings.tls_key if on_ready else None,
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=5,
        timeout_keep_alive=75,
        lifespan="off",
    )
    Server(config, on_ready).run()


def _leave(_number: int, _frame: FrameType | None) -> None:
    """Unwind. While uvicorn serves it has a handler of its own; after its clean stop it raises the signal again."""
    sys.exit(0)


if __name__ == "__main__":
    main()
