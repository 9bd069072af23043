"""What the tables of endpoints hold: wishes (endpoints), attempts to fulfil them (replicas), and what they serve."""

from dataclasses import dataclass, replace
from datetime import datetime

from modelyard.types.endpoints import CaptureRules, EndpointStatus, ReplicaStatus, Scaling, Variant
from modelyard.types.processes import Resources, SandboxLevel
from modelyard.types.signatures import Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointRecord:
    """An endpoint as it is wanted.

    Attributes:
        variants: what takes the traffic. A rollout replaces them at its end, scaling changes their replicas.
        capture: rules for what is recorded; None: the usual ones.
        scaling: between which numbers the replicas of each variant change by themselves; None: they do not.
        stays_warm: no policy lets it rest.
        resting: it rests because nobody asked for long: how many replicas each variant gets when somebody does; set
            until the first of them is ready. None: it does not.
        is_stopped: wanted without replicas.
        is_deleting: wanted gone; the row goes when the last replica is gone.
        status: as last announced in an event; what is true now is computed from the replicas.
        reason: likewise.
        deployed: versions ("digits:2") that the registry was told of.
        version: grows with each wish of a user, and when a rollout is rolled back; the ETag.
    """

    project: str
    name: str
    variants: tuple[Variant, ...]
    capture_share: float
    capture: CaptureRules | None = None
    scaling: Scaling | None = None
    stays_warm: bool = False
    resting: dict[str, int] | None = None
    is_stopped: bool
    is_deleting: bool
    status: EndpointStatus
    reason: str
    deployed: tuple[str, ...]
    created_at: datetime
    updated_at: datetime
    version: int

    def awake(self) -> "EndpointRecord":
        """With the replicas that it had before it rested."""
        counts = self.resting or {}
        variants = tuple(replace(each, replicas=counts.get(each.name, each.replicas)) for each in self.variants)
        return replace(self, variants=variants, resting=None)

    @property
    def subject(self) -> str:
        """Its name among events."""
        return f"endpoint/{self.name}"


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for one replica. Another version or other resources make another slot."""

    variant: str
    model: str
    number: int
    resources: Resources
    ordinal: int
    is_isolated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaRecord:
    """One attempt to fill a slot; its id is also its process's, unless a model host serves it.

    Attributes:
        host: process of the model host that serves it; None: it has a worker of its own, or no process yet.
        has_own_host: it shares that host with nothing else.
        host_faults: attempts of this slot whose model was at work when its host ended.
        failures: attempts of this slot that failed one after another, this one included once it has ENDED.
        reason: while it starts: what it waits for; once it has ENDED: why.
        retry_at: when the slot is tried again, once this attempt has ENDED.
    """

    id: str
    project: str
    endpoint: str
    slot: Slot
    status: ReplicaStatus
    reason: str
    failures: int
    pid: int | None
    sandbox: SandboxLevel | None
    created_at: datetime
    started_at: datetime | None
    ready_at: datetime | None
    retry_at: datetime | None
    host: str | None = None
    has_own_host: bool = False
    host_faults: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedVersion:
    """What is kept of a model version, so that serving it does not need the registry."""

    project: str
    model: str
    number: int
    digest: str
    signature: Signature
    is_pure: bool
