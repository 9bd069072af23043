"""Whether a new version may go on, from what was seen of it and of the old one in a stage. Pure functions."""

from dataclasses import dataclass, field
from math import log
from statistics import median

from modelyard.types.endpoints import RolloutPlan, RolloutStage, StageKind
from modelyard.types.planning import QUANTILES, Outcomes, ServiceCurve, ServicePoint

_CHANCE = 0.001
"""How likely chance alone may send a good version back: small, because a stage is looked at again and again."""
_FEWEST_BATCHES = 20
_SLOW_SECONDS = 0.002
"""Batches that are slower by less than this disturb nobody, however many times as slow that is."""
_MEDIAN, _QUARTER = QUANTILES.index(0.5), QUANTILES.index(0.25)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One side of a stage: what became of its requests, and how long its batches took."""

    outcomes: Outcomes = field(default_factory=Outcomes)
    curve: ServiceCurve = ()


def objection(plan: RolloutPlan, old: Seen, new: Seen) -> str:
    """Why the new version must not go on, in words; empty if nothing speaks against it."""
    return _failures(plan, old.outcomes, new.outcomes) or _differences(plan, new.outcomes) or _slowness(plan, old, new)


def seen_requests(stage: RolloutStage, new: Outcomes) -> int:
    """How many requests of the stage say something about the new version."""
    return new.compared if stage.kind is StageKind.SHADOW else new.answered


def _failures(plan: RolloutPlan, old: Outcomes, new: Outcomes) -> str:
    bad, total = new.failed + new.nan_rows, new.answered + new.failed
    if not bad or not total:
        return ""
    bad = min(bad, total)
    before = old.failed + old.answered
    usual = old.failed / before if before else 0.0
    if not exceeds(bad, total, usual + plan.maximum_error_share):
        return ""
    what = f"{new.failed} of {total} requests failed" if new.failed else f"{new.nan_rows} rows were answered with NaN"
    return f"{what}; {old.failed} of {before} failed with the old version"


def exceeds(count: int, total: int, share: float) -> bool:
    """True if so many of `total` can hardly be when each of them happens with a probability of `share` at most.

    Source: H. Chernoff, Annals of Mathematical Statistics 23, 1952: P(count or more) <= exp(-total * D), where D is the
    relative entropy of count / total and `share`.
    """
    seen = count / total
    if seen <= share:
        return False
    if share <= 0:
        return True
    entropy = seen * log(seen / share) + (0.0 if seen == 1 else (1 - seen) * log((1 - seen) / (1 - share)))
    return total * entropy > -log(_CHANCE)


def _differences(plan: RolloutPlan, new: Outcomes) -> str:
    if not new.compared or not plan.minimum_agreement:
        return ""
    agreeing = new.compared - new.differing
    if not exceeds(new.differing, new.compared, 1 - plan.minimum_agreement):
        return ""
    return (
        f"it answered {agreeing / new.compared:.1%} of {new.compared} copied requests as the old version did, "
        f"{plan.minimum_agreement:.1%} are asked for"
    )


def _slowness(plan: RolloutPlan, old: Seen, new: Seen) -> str:
    """Compares batches of the same sizes: how many requests travel together is the load's doing, not the model's."""
    alike = [
        (mine, theirs)
        for mine in new.curve
        for theirs in old.curve
        if _are_alike(mine.rows, theirs.rows) and min(mine.batches, theirs.batches) >= _FEWEST_BATCHES
    ]
    if not alike:
        return ""
    pairs = [(_median(mine), _median(theirs)) for mine, theirs in alike]
    ratio = median(mine / theirs for mine, theirs in pairs if theirs > 0)
    added = median(mine - theirs for mine, theirs in pairs)
    if ratio <= plan.maximum_slowdown or added <= _SLOW_SECONDS:
        return _slowness_of_one_size(plan, alike)
    slow, usual = max(pairs)
    return (
        f"its batches take {ratio:.1f} times as long as the old version's ({slow * 1000:.1f} ms instead of "
        f"{usual * 1000:.1f} ms); {plan.maximum_slowdown:g} times is allowed"
    )


def _slowness_of_one_size(plan: RolloutPlan, alike: list[tuple[ServicePoint, ServicePoint]]) -> str:
    """What the median over all sizes hides: large batches that take long.

    Even the quick ones among them must be slow: with every size that is looked at a busy machine has another chance to
    be to blame.
    """
    for mine, theirs in sorted(alike, key=lambda pair: -pair[0].rows):
        quick, usual = mine.quantiles_seconds[_QUARTER], _median(theirs)
        if quick > plan.maximum_slowdown * usual and quick - usual > _SLOW_SECONDS:
            slow = _median(mine)
            times = f"{slow * 1000:.1f} ms instead of {usual * 1000:.1f} ms"
            return (
                f"its batches of about {mine.rows:.0f} rows take {slow / max(usual, 1e-9):.1f} times as long as the "
                f"old version's ({times}); {plan.maximum_slowdown:g} times is allowed"
            )
    return ""


def _median(point: ServicePoint) -> float:
    return point.quantiles_seconds[_MEDIAN]


def _are_alike(first: float, second: float) -> bool:
    return max(first, second) <= 1.5 * min(first, second)
