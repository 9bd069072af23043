"""How a new version takes over an endpoint's traffic: in which stages, what each must show, and what was seen."""

from dataclasses import dataclass
from enum import StrEnum


class StageKind(StrEnum):
    """SHADOW: the new version gets copies of requests, its answers are compared and thrown away.

    TRAFFIC: it answers a share of the requests.
    """

    SHADOW = "SHADOW"
    TRAFFIC = "TRAFFIC"


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutStage:
    """One stage: `share` (above 0, up to 1) of the requests is copied to the new version, or answered by it.

    A stage with all of the traffic keeps the old replicas loaded: going back takes no start.
    """

    kind: StageKind
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutPlan:
    """The stages between "the new replicas are ready" and "the old ones end". None: all of the traffic moves at once.

    Attributes:
        stages: in their order.
        seconds: how long each lasts at least.
        requests: how many the new version must have answered in each.
        limit_seconds: a stage that has not got its requests by then ends the rollout: nothing can be said.
        maximum_error_share: the new version may fail that much more often than the old one (0.01 is one in a hundred).
        maximum_slowdown: its batches may take the old one's time as often as this.
        minimum_agreement: share of the copied requests that it must answer as the old one did; 0: it may differ.
        needs_approval: a person says whether it takes over after the last stage.
    """

    stages: tuple[RolloutStage, ...] = ()
    seconds: float = 60.0
    requests: int = 50
    limit_seconds: float = 3600.0
    maximum_error_share: float = 0.01
    maximum_slowdown: float = 2.0
    minimum_agreement: float = 0.0
    needs_approval: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """What became of a variant's requests since its gateway has known it. Refused inputs are the callers' fault.

    Attributes:
        answered: requests.
        failed: requests that it should have answered.
        nan_rows: rows with NaN where the version's golden answers have none.
        compared: copied requests whose answer was held beside the one that the caller got.
        differing: of those, the ones that were answered otherwise.
    """

    answered: int = 0
    failed: int = 0
    nan_rows: int = 0
    compared: int = 0
    differing: int = 0

    def since(self, earlier: "Outcomes") -> "Outcomes":
        """What was added; everything if a gateway has started anew in between."""
        if any(getattr(self, name) < getattr(earlier, name) for name in self.__dataclass_fields__):
            return self
        return Outcomes(**{name: getattr(self, name) - getattr(earlier, name) for name in self.__dataclass_fields__})
