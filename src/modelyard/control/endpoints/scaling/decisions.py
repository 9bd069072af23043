"""When a variant gets more or fewer replicas. Pure: time comes in as numbers.

Up at once and by as many as the prediction asks for; down one at a time, after it would have been enough for a while.
"""

from dataclasses import dataclass, replace
from statistics import fmean
from typing import Protocol

from modelyard.types.endpoints import Scaling
from modelyard.types.planning import Prediction, VariantDemand

DOWN_AFTER_SECONDS = 60.0
"""So long fewer replicas must have been enough before one goes."""

DOWN_HEADROOM = 1.3
"""Fewer are enough only if they also stand this many times the highest rate of the last half minute."""

_RECENT_SECONDS = 5
_NOISE = 2.0  # standard deviations of a Poisson count: a rise below that is chance
_LEAST_BATCHES = 20  # fewer service times say too little


class Forecast(Protocol):
    """What the decisions ask of `planning.prediction.Predictor`."""

    def recommend(self, requests_per_second: float, p99_ms: float | None, *, most: int) -> Prediction:
        """The smallest number of replicas that meets the objective."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Another number of replicas, and why in a sentence."""

    replicas: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What is known of a variant at one moment.

    Attributes:
        scaling: the bounds and the objective.
        replicas: as many are wanted now.
        demand: what the gateways saw last; None: nothing yet.
        idle_seconds: since the last request, or since the endpoint was made or changed.
        enough_since: since when (monotonic seconds) fewer would have been enough; None: they are not.
        now: monotonic seconds.
    """

    scaling: Scaling
    replicas: int
    demand: VariantDemand | None
    idle_seconds: float
    enough_since: float | None
    now: float


def bounds(situation: Situation) -> Decision | None:
    """What needs no prediction: the bounds themselves, idleness, and the first request after it."""
    scaling, present, demand = situation.scaling, situation.replicas, situation.demand
    is_asked = demand is not None and demand.waiting > 0
    if present == 0 and is_asked:
        return Decision(max(1, scaling.minimum_replicas), "a request came while it had none")
    if present > scaling.maximum_replicas:
        return Decision(scaling.maximum_replicas, f"it may have {scaling.maximum_replicas} at most")
    if present < scaling.minimum_replicas:
        return Decision(scaling.minimum_replicas, f"it has {scaling.minimum_replicas} at least")
    if present > scaling.minimum_replicas and not is_asked and situation.idle_seconds >= scaling.idle_seconds:
        return Decision(scaling.minimum_replicas, f"no request came for {situation.idle_seconds:.0f} s")
    return None


def has_figures(demand: VariantDemand | None) -> bool:
    """True if enough was measured for a prediction."""
    return demand is not None and sum(point.batches for point in demand.curve) >= _LEAST_BATCHES


def more(situation: Situation, forecast: Forecast) -> Decision | None:
    """More replicas, if those that are there will not do."""
    scaling, demand = situation.scaling, situation.demand
    if demand is None or situation.replicas >= scaling.maximum_replicas:
        return None
    rate = expected_rate(demand.arrivals)
    needed = forecast.recommend(rate, scaling.p99_ms, most=scaling.maximum_replicas)
    if needed.replicas <= situation.replicas:
        return None
    return Decision(needed.replicas, f"{rate:.0f} requests/s are coming, {_words(needed, scaling)}")


def is_fewer_enough(situation: Situation, forecast: Forecast) -> bool:
    """True if one replica less would do, also for more requests than came lately."""
    fewer, demand = situation.replicas - 1, situation.demand
    if demand is None or fewer < max(1, situation.scaling.minimum_replicas):
        return False
    rate = peak_rate(demand.arrivals) * DOWN_HEADROOM
    return forecast.recommend(rate, situation.scaling.p99_ms, most=situation.replicas).replicas <= fewer


def fewer_after_a_while(situation: Situation) -> Decision | None:
    """One replica less, once that has been enough for long enough."""
    since = situation.enough_since
    if since is None or situation.now - since < DOWN_AFTER_SECONDS:
        return None
    return Decision(situation.replicas - 1, f"{situation.replicas - 1} have been enough for {DOWN_AFTER_SECONDS:.0f} s")


def expected_rate(arrivals: tuple[int, ...]) -> float:
    """Requests a second in a few seconds from now: those of the last five, and their growth if it is real."""
    recent = rate_of(arrivals[-_RECENT_SECONDS:])
    before = rate_of(arrivals[-2 * _RECENT_SECONDS : -_RECENT_SECONDS])
    noise = _NOISE * (max(recent, before) / _RECENT_SECONDS) ** 0.5
    growth = recent - before
    return recent + growth if growth > noise else recent


def peak_rate(arrivals: tuple[int, ...]) -> float:
    """The highest rate over five seconds among all seconds that are known."""
    starts = range(max(1, len(arrivals) - _RECENT_SECONDS + 1))
    return max(rate_of(arrivals[start : start + _RECENT_SECONDS]) for start in starts)


def rate_of(arrivals: tuple[int, ...]) -> float:
    """Mean requests a second."""
    return fmean(arrivals) if arrivals else 0.0


def _words(prediction: Prediction, scaling: Scaling) -> str:
    if scaling.p99_ms is None:
        return f"and {prediction.replicas} answer up to {prediction.capacity:.0f}"
    if prediction.p99_ms is None:
        return f"more than {prediction.replicas} can answer"
    return f"with {prediction.replicas} the p99 is predicted at {prediction.p99_ms:.1f} ms for {scaling.p99_ms:g} ms"


def noted(situation: Situation, *, is_enough: bool) -> Situation:
    """The situation with the moment since when fewer have been enough."""
    if not is_enough:
        return replace(situation, enough_since=None)
    return situation if situation.enough_since is not None else replace(situation, enough_since=situation.now)
