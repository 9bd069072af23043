"""The control process: one, two or all three REST applications, their workflows and their duties.

Crash-only: killed at any line, the next one takes up what was under way. Listens on a Unix socket behind the gateway, or
on TCP when an application runs alone.
"""

import argparse
import signal
import sys
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount, Route

from modelyard.errors import ModelyardError
from modelyard.server.application import Application
from modelyard.server.assembly import assemble
from modelyard.server.context import open_context
from modelyard.server.duties import Duties
from modelyard.server.names import APPLICATIONS
from modelyard.server.pages import index_page
from modelyard.settings import Settings


def main() -> None:
    """Entry point: `python -m modelyard.server.control --home H [--applications registry,jobs] [--tcp HOST:PORT]`."""
    parser = argparse.ArgumentParser(prog="modelyard.server.control")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--applications", default=",".join(APPLICATIONS))
    parser.add_argument("--tcp", action="store_true", help="listen on the host and port of the settings")
    arguments = parser.parse_args()
    settings = Settings(home=arguments.home)
    try:
        run(settings, tuple(arguments.applications.split(",")), is_tcp=arguments.tcp)
    except ModelyardError as error:
        sys.exit(f"{error.message}. {error.hint}")


def run(settings: Settings, names: tuple[str, ...], *, is_tcp: bool) -> None:
    """Serve until SIGTERM. Processes of the engine live on: they belong to the platform, not to this process."""
    context = open_context(settings, names)
    applications = assemble(context, names)
    context.durable.launch()
    for application in applications:
        application.on_start()
    duties = Duties([duty for application in applications for duty in application.duties])
    duties.start()
    try:
        _serve(mount(applications), settings, is_tcp=is_tcp)
    finally:
        duties.stop()
        context.close()


def mount(applications: list[Application]) -> Starlette:
    """One ASGI application with each of ours at its path, and a page that links to their API pages."""
    paths = [application.path for application in applications]
    routes = [Mount(application.path, application.asgi) for application in applications]
    return Starlette(routes=[Route("/", index_page(paths)), Route("/health", _health), *routes])


async def _health(_request: object) -> object:
    from starlette.responses import JSONResponse  # noqa: PLC0415

    return JSONResponse({"status": "ok"})


def _serve(asgi: Starlette, settings: Settings, *, is_tcp: bool) -> None:
    socket = settings.layout.sockets / "control.sock"
    socket.unlink(missing_ok=True)
    config = uvicorn.Config(
        asgi,
        uds=None if is_tcp else str(socket),
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
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the supervisor's: it ends us with SIGTERM
    uvicorn.Server(config).run()


if __name__ == "__main__":
    main()
