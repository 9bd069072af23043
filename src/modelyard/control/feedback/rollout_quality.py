"""Whether the version on trial in a rollout gives worse answers than the old one, as far as the truth is known."""

from datetime import datetime
from typing import Protocol

from modelyard.control.endpoints.records import EndpointRecord
from modelyard.control.endpoints.rollouts.judging import exceeds
from modelyard.errors import ModelyardError
from modelyard.types.endpoints import Rollout, Variant
from modelyard.types.monitoring import LiveMetrics

_METRICS = ("accuracy", "rmse")
_FEWEST_NUMBERS = 30


class Quality(Protocol):
    """Implementation: feedback.quality.QualityService."""

    def metrics(
        self, project: str, endpoint: str, window: str, *, since: datetime | None = None, until: datetime | None = None
    ) -> list[LiveMetrics]:
        """Live metrics by version."""


class RolloutQuality:
    """Remembers what `sweep` found: reading captures takes too long for the loop that keeps replicas.

    `concern` belongs to that loop, `sweep` to another thread.
    """

    def __init__(self) -> None:
        self._asked: dict[tuple[str, str], Rollout] = {}
        self._found: dict[tuple[str, int | None], str] = {}

    def concern(self, record: EndpointRecord, rollout: Rollout) -> str:
        """What speaks against the new version; empty while nothing is known."""
        self._asked[record.project, record.name] = rollout
        return self._found.get((rollout.id, rollout.stage), "")

    def sweep(self, quality: Quality) -> None:
        """Look at the stages that were asked about since the last call."""
        asked, self._asked = self._asked, {}
        found = {}
        for (project, endpoint), rollout in asked.items():
            try:
                metrics = quality.metrics(project, endpoint, "7d", since=rollout.stage_since)
            except ModelyardError:
                continue  # the endpoint is gone, or the store does not answer: the next sweep asks again
            found[rollout.id, rollout.stage] = quality_concern(rollout, metrics)
        self._found = found


def quality_concern(rollout: Rollout, metrics: list[LiveMetrics]) -> str:
    """Why the new version's answers are worse than the old one's, beyond chance; empty if they are not."""
    before, after = _refs(rollout.from_variants), _refs(rollout.to_variants)
    known = {(each.model_version, each.metric): each for each in metrics if each.value is not None}
    for metric in _METRICS:
        for new_ref in sorted(after - before):
            for old_ref in sorted(before - after):
                old, new = known.get((old_ref, metric)), known.get((new_ref, metric))
                if old is not None and new is not None and _is_worse(old, new, rollout.plan.maximum_loss):
                    return (
                        f"its {metric} is {new.value:.3f} over {new.n} answers whose truth is known, "
                        f"{old_ref} has {old.value:.3f} over {old.n}"
                    )
    return ""


def _is_worse(old: LiveMetrics, new: LiveMetrics, allowed: float) -> bool:
    assert old.value is not None and new.value is not None  # noqa: S101, PT018 - `known` holds no others
    if new.metric == "accuracy":
        return exceeds(round((1 - new.value) * new.n), new.n, 1 - old.value + allowed)
    is_enough = min(old.n, new.n) >= _FEWEST_NUMBERS
    return is_enough and (new.low or 0.0) > (old.high or 0.0) * (1 + allowed)


def _refs(variants: tuple[Variant, ...]) -> set[str]:
    return {f"{variant.model}:{variant.number}" for variant in variants}
