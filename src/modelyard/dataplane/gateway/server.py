"""A gateway process from start to end."""

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Protocol

import msgspec
import uvicorn
import uvloop

from modelyard.dataplane.captures import SpoolLimits, SpoolWriter
from modelyard.dataplane.gateway.config import GatewayConfig
from modelyard.dataplane.gateway.dialect import Dialect
from modelyard.dataplane.gateway.http.protocol import GatewayProtocol
from modelyard.dataplane.gateway.http.proxy import SocketProxy
from modelyard.dataplane.gateway.http.service import InferenceService
from modelyard.dataplane.gateway.inference import Inference
from modelyard.dataplane.gateway.masking import Mask
from modelyard.dataplane.gateway.rates import RateLevels
from modelyard.dataplane.gateway.reports.demand import DemandReporter
from modelyard.dataplane.gateway.reports.siblings import Siblings
from modelyard.dataplane.gateway.reports.traffic import TrafficReporter
from modelyard.dataplane.routing import POLL_SECONDS, TableFollower
from modelyard.errors import ModelyardError
from modelyard.kit.addresses import bound_socket, local_url
from modelyard.kit.files import write_atomic

EXIT_BIND_FAILED = 4

_TICKS_PER_SWEEP = 20
_BACKLOG = 2048
_CATCH_UP_SECONDS = 2.0
_logger = logging.getLogger(__name__)


class Companion(Protocol):
    """Another server on the gateway's event loop, for a protocol that does not go over HTTP/1.1."""

    async def start(self, inference: Inference, config: GatewayConfig) -> Mapping[str, object]:
        """Listen; returns what is to be added to the address file.

        Raises:
            OSError: that is not possible.
        """

    async def stop(self, grace_seconds: float) -> None:
        """Finish what is under way, for `grace_seconds` at most."""


def run(config: GatewayConfig, dialects: Sequence[Dialect], companions: Sequence[Companion] = ()) -> int:
    """Serve until SIGTERM or SIGINT, then finish what is under way. Returns the exit code."""
    try:
        listener = _listen(config)
    except OSError as error:
        sys.stderr.write(f"gateway: cannot listen on {config.host}:{config.port}: {error}\n")
        return EXIT_BIND_FAILED
    try:
        uvloop.run(_serve(config, dialects, companions, listener))
    except CompanionFailedError as error:
        sys.stderr.write(f"gateway: {error}\n")
        return EXIT_BIND_FAILED
    finally:
        if not config.is_port_shared:  # else others go on listening there
            Path(config.address_file).unlink(missing_ok=True)
    return 0


async def _serve(
    config: GatewayConfig, dialects: Sequence[Dialect], companions: Sequence[Companion], listener: socket.socket
) -> None:
    spool = SpoolWriter(Path(config.spool), SpoolLimits(spool_bytes=config.spool_limit_bytes))
    siblings = Siblings(Path(config.figures)) if config.figures else None
    levels = RateLevels(Path(config.rates)) if config.rates else None
    service = InferenceService(dialects, config.limits, spool, siblings, levels, Mask(bytes.fromhex(config.mask_key)))
    proxy = SocketProxy(config.control_socket)
    uvicorn_config = uvicorn.Config(
        proxy,
        http=partial(GatewayProtocol, service),  # type: ignore[arg-type] # it is only ever called
        ws="none",  # the gateway's protocol hands streams over itself, after their handshake was admitted
        ws_max_size=config.limits.max_request_bytes,
        ws_per_message_deflate=False,
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,  # control's answers carry their own
        proxy_headers=False,
        ssl_certfile=config.tls_certificate,
        ssl_keyfile=config.tls_key,
        timeout_graceful_shutdown=int(config.limits.drain_seconds),
    )
    further: dict[str, object] = {}
    server = _Server(uvicorn_config, ready=lambda: _announce(config, listener, further))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stop)
    reporter = DemandReporter(Path(config.demand) if config.demand else None, service.fleet)
    traffic = TrafficReporter(Path(config.traffic) if config.traffic else None, service.traffic)
    clock = loop.create_task(_tick(service, server, TableFollower(Path(config.routing)), reporter, traffic))
    try:
        if config.is_port_shared:
            await _catch_up(service, Path(config.routing))
        further.update(await _start(companions, service, config))
        await server.serve(sockets=[listener])
        await asyncio.gather(*(companion.stop(config.limits.drain_seconds) for companion in companions))
    finally:
        clock.cancel()
        reporter.close()
        traffic.close()
        if siblings is not None:
            siblings.close()
        service.fleet.close()
        service.decoder.close()
        await proxy.close()
        spool.close()


class CompanionFailedError(Exception):
    """A further server cannot listen; the message says why."""


async def _start(companions: Sequence[Companion], inference: Inference, config: GatewayConfig) -> Mapping[str, object]:
    further: dict[str, object] = {}
    try:
        for companion in companions:
            further |= await companion.start(inference, config)
    except OSError as error:
        raise CompanionFailedError(str(error)) from error
    return further


async def _catch_up(service: InferenceService, routing: Path) -> None:
    """Be as able to answer as the others at the port are, before the kernel gives this gateway its share of callers."""
    for _ in range(int(_CATCH_UP_SECONDS / POLL_SECONDS)):
        if not _is_behind(service, routing):
            return
        await asyncio.sleep(POLL_SECONDS)


def _is_behind(service: InferenceService, routing: Path) -> bool:
    return routing.exists() and not (service.has_table and service.fleet.is_settled)


async def _tick(
    service: InferenceService,
    server: "_Server",
    follower: TableFollower,
    reporter: DemandReporter,
    traffic: TrafficReporter,
) -> None:
    """The gateway's clock: the routing table, deadlines, captures, demand, traffic, and idle connections."""
    often: tuple[Callable[[], None], ...] = (lambda: _follow(service, follower), service.tick, reporter.tick)
    seldom: tuple[Callable[[], None], ...] = (lambda: traffic.tick(service.served()), lambda: _sweep(server))
    count = 0
    while True:
        count += 1
        for duty in often if count % _TICKS_PER_SWEEP else (*often, *seldom):
            try:
                duty()
            except ModelyardError as error:
                _logger.warning("%s", error.message)
            except Exception:  # without the clock no deadline would hold any more, and no new table come into force
                _logger.exception("the gateway's clock goes on after a fault")
        await asyncio.sleep(POLL_SECONDS)


def _sweep(server: "_Server") -> None:
    for connection in list(server.server_state.connections):
        if isinstance(connection, GatewayProtocol):
            connection.sweep()


def _follow(service: InferenceService, follower: TableFollower) -> None:
    table = follower.poll()
    if table is not None:
        service.follow(table)


class _Server(uvicorn.Server):
    """uvicorn's server, which tells when it listens and leaves signals to us (it would end the process by one)."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn."""
        await super().startup(sockets)
        # What exists now lives as long as the process: keep the collector from walking it again and again.
        gc.collect()
        gc.freeze()
        self._ready()

    def stop(self) -> None:
        """End after what is under way; at once when told twice."""
        if self.should_exit:
            self.force_exit = True
        self.should_exit = True

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """See uvicorn."""
        yield


def _listen(config: GatewayConfig) -> socket.socket:
    """The socket; where others share the port it does not listen yet, so that callers go to them until all is ready."""
    listener = bound_socket(config.host, config.port, is_shared=config.is_port_shared)
    if not config.is_port_shared:
        listener.listen(_BACKLOG)
    return listener


def _announce(config: GatewayConfig, listener: socket.socket, further: Mapping[str, object]) -> None:
    port = listener.getsockname()[1]
    url = local_url(config.host, port, has_tls=config.tls_certificate is not None)
    address = {"host": config.host, "port": port, "url": url, "pid": os.getpid(), **further}
    write_atomic(Path(config.address_file), msgspec.json.encode(address))
    sys.stdout.write(f"gateway ready on {address['url']}\n")
    sys.stdout.flush()
