"""What the gateway needs to know, written by control as one file and followed by every gateway.

The gateway works from the last table it read, so inference goes on while control is down.
"""

from dataclasses import dataclass, field
from datetime import datetime

from modelyard.types.access import Role
from modelyard.types.endpoints import Masking
from modelyard.types.serving.answers import AnswerForm
from modelyard.types.signatures import Signature

PLACE_SEPARATOR = "#"
"""Between the socket of a model host and the place of a model in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteReplica:
    """A worker that answered its golden requests.

    `address` is a Unix socket path, or host:port, or `key@host:port` of another machine (see kit.handover), or
    `path#place`: a model among others of a host, all of which are reached over one connection.
    """

    id: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteVariant:
    """A model version that takes `weight` of the endpoint's traffic; `is_pure` allows one retry elsewhere."""

    name: str
    model: str
    number: int
    weight: float
    signature: Signature
    replicas: tuple[RouteReplica, ...]
    is_pure: bool = True
    answers: AnswerForm = AnswerForm.NAMED
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteShadow:
    """A variant that gets copies of a share of the answered requests; callers never see its answers."""

    variant: str
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteEndpoint:
    """One endpoint. One with no ready replica, or a stopped one, stays in the table with the reason to tell callers.

    `is_on_demand`: it may have scaled to zero; a request that finds no replica is held while one comes back. `p99_ms`:
    its latency objective, which keeps batches short. `shadow` names one of the variants.
    `personal_columns`: masked before a capture is written.
    """

    project: str
    name: str
    variants: tuple[RouteVariant, ...]
    capture_share: float = 1.0
    reason: str = ""
    is_stopped: bool = False
    is_on_demand: bool = False
    p99_ms: float | None = None
    shadow: RouteShadow | None = None
    personal_columns: dict[str, Masking] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteToken:
    """A token that may call models: SHA-256 (hex) of the secret, never the secret. `project` None: every project.

    Of an access key, which signs its requests instead of sending a secret, `date_keys` has what its secret makes of
    some days ("20260131" -> hex): enough to check what was signed then, and to sign; `id` is the key's. A token with
    `session_keys` stands for all temporary keys, by the day on which they were lent: see dataplane.gateway.sessions.
    So a routing table is kept as access keys are.
    """

    id: str
    secret_sha256: str
    project: str | None
    role: Role
    expires_at: datetime | None = None
    requests_per_second: float | None = None
    date_keys: dict[str, str] = field(default_factory=dict)
    session_keys: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingTable:
    """The whole table; `generation` grows with each change."""

    generation: int
    endpoints: tuple[RouteEndpoint, ...] = ()
    tokens: tuple[RouteToken, ...] = field(default_factory=tuple)
