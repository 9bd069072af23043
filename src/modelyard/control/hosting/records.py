"""What hosting keeps, as documents: models, endpoints, and what is still to be done for them."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

import msgspec

from modelyard.types.endpoints import Endpoint, EndpointStatus, RolloutPlan
from modelyard.types.serving.hosting import Composition, DataCapture, HostedVariant

MODEL, ENDPOINT, TASK = "hosted-model", "hosted-endpoint", "hosting-task"
MOST_REPLICAS = 64
"""Of a variant, whatever another system's numbers say."""
_Type = TypeVar("_Type")
_SERVING = (EndpointStatus.READY, EndpointStatus.IDLE, EndpointStatus.UPDATING, EndpointStatus.DEGRADED)


class Phase(StrEnum):
    """WAITING: for its models, before it is made. SERVED: our endpoint is there. CHANGING: for the models of a change.

    MOVING: the change is under way. FAILED: it was never made.
    """

    WAITING = "waiting"
    SERVED = "served"
    CHANGING = "changing"
    MOVING = "moving"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Other variants for an endpoint.

    Attributes:
        label: the caller's name of this state.
        alarms: names of alarms that send the change back when one goes off while the traffic moves.
        rollout: ours, once it has begun.
    """

    label: str
    variants: tuple[HostedVariant, ...]
    plan: RolloutPlan
    capture: DataCapture | None = None
    alarms: tuple[str, ...] = ()
    rollout: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedEndpoint:
    """An endpoint. `label`, `variants` and `capture` are what is served, `change` what is to follow.

    Attributes:
        composition: of what it is made; its one variant has no replicas of its own then. None: of its variants.
        reason: why it failed, or why the last change did.
    """

    label: str
    variants: tuple[HostedVariant, ...]
    capture: DataCapture | None = None
    composition: Composition | None = None
    phase: Phase = Phase.WAITING
    reason: str = ""
    change: Change | None = None


@dataclass(frozen=True, slots=True)
class EndpointView:
    """A hosted endpoint (None: it was deleted) with ours, if there is one.

    Attributes:
        parts: of an endpoint of several containers, one for each of them.
        is_followed: the gateways work by what ours is now.
    """

    hosted: HostedEndpoint | None
    own: Endpoint | None
    parts: tuple["EndpointView", ...] = ()
    is_followed: bool = True

    @property
    def is_serving(self) -> bool:
        """True if requests to ours are answered."""
        return self.own is not None and self.own.status in _SERVING

    @property
    def failure(self) -> str | None:
        """Why it will not be served as it is; None if it is served, or may be yet."""
        if self.hosted is not None and self.hosted.phase is Phase.FAILED:
            return self.hosted.reason
        if self.own is not None and self.own.status is EndpointStatus.FAILED:
            return self.own.reason
        return None


def share_of(capture: DataCapture | None) -> float:
    """The share of requests that is recorded."""
    return 0.0 if capture is None else capture.share


def to_content(value: object) -> dict[str, Any]:
    """As JSON holds it."""
    content: dict[str, Any] = msgspec.to_builtins(value)
    return content


def of_content(content: dict[str, Any], type_: type[_Type]) -> _Type:
    """Back."""
    return msgspec.convert(content, type_, str_keys=True)
