"""What hosting keeps, as documents: models, endpoints, and what is still to be done for them."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

import msgspec

from modelyard.types.endpoints import Endpoint, RolloutPlan
from modelyard.types.serving.hosting import DataCapture, HostedVariant

MODEL, ENDPOINT, TASK = "hosted-model", "hosted-endpoint", "hosting-task"
_Type = TypeVar("_Type")


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
        reason: why it failed, or why the last change did.
    """

    label: str
    variants: tuple[HostedVariant, ...]
    capture: DataCapture | None = None
    phase: Phase = Phase.WAITING
    reason: str = ""
    change: Change | None = None


@dataclass(frozen=True, slots=True)
class EndpointView:
    """A hosted endpoint (None: it was deleted) with ours, if there is one."""

    hosted: HostedEndpoint | None
    own: Endpoint | None


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
