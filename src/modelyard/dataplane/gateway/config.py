"""Configuration of a gateway process, one JSON file."""

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from modelyard.errors import InvalidInputError


class GatewayConfigError(InvalidInputError):
    """The configuration file cannot be used."""

    code = "gateway_config_invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the gateway takes on before it refuses, and how long it waits.

    Attributes:
        max_request_bytes: largest inference body, also after decompression; more is 413.
        max_buffered_bytes: all inference bodies held at one time; more is 429.
        max_connections: open client connections; more are closed with 503.
        max_queue: waiting requests of one variant; more are 429.
        max_batch_requests: requests joined into one batch.
        max_batch_rows: rows of one batch, unless a single request has more.
        batches_in_flight: batches sent to a replica before it has answered; the second one waits in its socket, so
            that the replica need not wait for the gateway between two batches. Models that cost much once a batch
            get it only when it is as large as pays.
        streams_in_flight: answers in parts that a replica makes at a time; more are 429.
        deadline_seconds: time for an answer, or for the next part of one, when the request names none.
        max_deadline_seconds: longest time that a request may name.
        hold_seconds: how long requests wait for a replica to come back before they fail.
        wake_seconds: the same for an endpoint that has scaled to zero.
        header_seconds: time to send a request's head.
        receive_seconds: time to send an inference body; longest pause in any other body.
        idle_seconds: a connection without a request is closed after this.
        drain_seconds: time for requests under way to finish when the gateway is told to end.
    """

    max_request_bytes: int = 64 << 20
    max_buffered_bytes: int = 1 << 30
    max_connections: int = 10_000
    max_queue: int = 1024
    max_batch_requests: int = 64
    max_batch_rows: int = 256
    batches_in_flight: int = 2
    streams_in_flight: int = 64
    deadline_seconds: float = 30.0
    max_deadline_seconds: float = 600.0
    hold_seconds: float = 1.0
    wake_seconds: float = 20.0
    header_seconds: float = 10.0
    receive_seconds: float = 60.0
    idle_seconds: float = 75.0
    drain_seconds: float = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayConfig:
    """Where a gateway listens, what it follows, where it writes.

    Attributes:
        control_socket: Unix socket of the control process, which gets every request that is not inference.
        routing: the routing table that control writes.
        spool: folder for capture segments.
        address_file: written when the gateway is ready: {"host", "port", "url", "pid"}; port 0 is resolved there.
        demand: what every variant is asked for is written here, for whoever scales; empty: it is not.
        gateways: how many share the port. Each has files of its own; `spool` and `rates` are all theirs.
        figures: several gateways tell each other their figures in files beside this one.
        traffic: folder for files that say what was answered, for whoever meters it; empty: there are none.
        rates: folder in which several gateways share how far tokens have used up their rates.
        mask_key: hex of the secret with which personal columns are hashed; empty: they are dropped instead.
        is_insecure_allowed: listen beyond loopback without TLS.
        grpc_port: port for gRPC; 0: the system's choice, published in `address_file`; None: no gRPC.
    """

    control_socket: str
    routing: str
    spool: str
    address_file: str
    host: str = "127.0.0.1"
    port: int = 0
    demand: str = ""
    gateways: int = 1
    figures: str = ""
    traffic: str = ""
    rates: str = ""
    spool_limit_bytes: int = 1 << 30
    mask_key: str = ""
    tls_certificate: str | None = None
    tls_key: str | None = None
    is_insecure_allowed: bool = False
    grpc_port: int | None = None
    limits: Limits = field(default_factory=Limits)

    @property
    def is_port_shared(self) -> bool:
        """True if other gateways listen there too."""
        return self.gateways > 1


def read_config(path: Path) -> GatewayConfig:
    """The configuration in `path`.

    Raises:
        GatewayConfigError: it cannot be read, or it would serve tokens in clear text beyond this machine.
    """
    try:
        config = msgspec.json.decode(path.read_bytes(), type=GatewayConfig)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise GatewayConfigError(f"'{path}' is no gateway configuration: {error}", hint="Write it anew.") from error
    has_tls = config.tls_certificate is not None and config.tls_key is not None
    if not (has_tls or config.is_insecure_allowed or is_loopback(config.host)):
        raise GatewayConfigError(
            f"listening on '{config.host}' without TLS would send tokens in clear text",
            hint="Give a certificate and its key, or allow it explicitly (--insecure).",
            field="host",
        )
    return config


def is_loopback(host: str) -> bool:
    """True for addresses that only this machine can reach."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
