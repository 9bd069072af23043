"""Has the running version become worse than it was when it was made?"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from modelyard.control.clients.contracts import RegistryClient
from modelyard.control.feedback.quality import QualityService
from modelyard.kit.clock import Clock
from modelyard.types.monitoring import LiveMetrics, RetrainingPolicy

_REMEMBERED = timedelta(seconds=10)


class DecayJudge(Protocol):
    """Says whether an endpoint's version has decayed. Safe from any thread."""

    def decay(self, policy: RetrainingPolicy, version: str) -> tuple[bool, str]:
        """Whether `version` has, by more than the policy's `maximum_decay`, and the sentence with the figures."""


@dataclass(frozen=True, slots=True)
class _Verdict:
    at: datetime
    is_decayed: bool
    sentence: str


class HoldoutDecay:
    """Live metric against the held-out metric on the version's card: decayed once the whole 95 % interval is beyond.

    The captures of the window are read for it, so a verdict is remembered for some seconds.

    Args:
        quality: live metrics.
        registry: knows the cards.
        clock: for the remembering.
    """

    def __init__(self, quality: QualityService, registry: RegistryClient, clock: Clock) -> None:
        self._quality = quality
        self._registry = registry
        self._clock = clock
        self._known: dict[tuple[str, str, str, float | None, str], _Verdict] = {}

    def decay(self, policy: RetrainingPolicy, version: str) -> tuple[bool, str]:
        """See DecayJudge."""
        triggers = policy.triggers
        key = (policy.project, policy.endpoint, version, triggers.maximum_decay, triggers.decay_window)
        known, now = self._known.get(key), self._clock.now()
        if known is None or now - known.at > _REMEMBERED:
            known = self._known[key] = _Verdict(now, *self._judge(policy, version))
        return known.is_decayed, known.sentence

    def _judge(self, policy: RetrainingPolicy, version: str) -> tuple[bool, str]:
        card = self._registry.model_version(policy.project, version).manifest.card
        live = self._quality.metrics(policy.project, policy.endpoint, policy.triggers.decay_window)
        for metric, is_beyond in _BEYOND.items():
            held_out = card.metric(metric)
            found = next((one for one in live if (one.metric, one.model_version) == (metric, version)), None)
            if held_out is None or found is None:
                continue
            if found.value is None:
                return False, f"{version} has no labelled rows within {policy.triggers.decay_window}"
            measured = (
                f"{metric} of {version} is {found.value:.3f} on {found.n:,} labelled rows, it was {held_out.value:.3f} "
                "on held-out ones when it was made"
            )
            return is_beyond(found, held_out.value, policy.triggers.maximum_decay or 0.0), measured
        return False, f"the card of {version} has no held-out metric to compare live rows with"


def _accuracy_fell(live: LiveMetrics, held_out: float, by: float) -> bool:
    return live.high is not None and live.high < held_out - by


def _error_rose(live: LiveMetrics, held_out: float, by: float) -> bool:
    return live.low is not None and live.low > held_out * (1 + by)


_BEYOND: dict[str, Callable[[LiveMetrics, float, float], bool]] = {"accuracy": _accuracy_fell, "rmse": _error_rose}
