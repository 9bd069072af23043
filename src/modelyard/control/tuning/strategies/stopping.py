"""Which running trials are to end early, from the live figures of all.

Not Optuna's pruners: those keep what they have seen in Optuna's storage and take one step at a time, while here figures
come in bunches and everything must follow from the trials alone, also after a kill.
"""

from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from modelyard.types.tuning.jobs import Trial, TrialStatus
from modelyard.types.tuning.searches import Direction, EarlyStopping, StopRule

_FEWEST_OTHERS = 4
"""MEDIAN ends nobody before so many trials have come as far."""

_FINE_STEPS = 100


def is_kept(step: int) -> bool:
    """Whether a curve keeps this step: all up to 100, then two digits of each, so that no curve grows long."""
    grain = 1
    while step >= _FINE_STEPS * grain:
        grain *= 10
    return step % grain == 0


def losers(rule: EarlyStopping, trials: Sequence[Trial]) -> dict[int, str]:
    """Numbers of the running trials that are to end, each with the reason in words."""
    found = {}
    for trial in trials:
        if trial.status is TrialStatus.RUNNING and not trial.is_ending:
            others = [other for other in trials if other.number != trial.number]
            reason = _behind_median(rule, trial, others) if rule.rule is StopRule.MEDIAN else _lost(rule, trial, others)
            if reason:
                found[trial.number] = reason
    return found


def _behind_median(rule: EarlyStopping, trial: Trial, others: Sequence[Trial]) -> str:
    """The best so far is worse than the median of what others had at the same step (Golovin et al. 2017)."""
    if not trial.curve or max(trial.curve) < rule.warm_up_steps:
        return ""
    step = max(trial.curve)
    theirs = [value for other in others if (value := _at(other.curve, step)) is not None]
    if len(theirs) < _FEWEST_OTHERS:
        return ""
    sign = _sign(rule)
    best, middle = max(trial.curve.values(), key=lambda value: sign * value), median(theirs)
    if sign * best >= sign * middle:
        return ""
    return f"at step {step} its best {rule.metric} was {best:.6g}, the median of {len(theirs)} others {middle:.6g}"


def _lost(rule: EarlyStopping, trial: Trial, others: Sequence[Trial]) -> str:
    """At a step of its contest it was not among the best 1/reduction that have come as far (Li et al. 2020)."""
    contest = _contest(rule, trial.number)
    rivals = [other for other in others if _contest(rule, other.number) == contest]
    for step in _rungs(rule, contest):
        mine = _at(trial.curve, step)
        if mine is None:
            return ""
        theirs = [value for other in rivals if (value := _at(other.curve, step)) is not None]
        better = sum(_sign(rule) * value > _sign(rule) * mine for value in theirs)
        places = max(1, (len(theirs) + 1) // rule.reduction)
        if better >= places:
            return f"at step {step} its {rule.metric} was {mine:.6g}: {better} of {len(theirs)} others were better"
    return ""


def _rungs(rule: EarlyStopping, contest: int) -> Iterator[int]:
    step = rule.warm_up_steps * rule.reduction**contest
    while True:
        yield step
        step *= rule.reduction


def _contest(rule: EarlyStopping, number: int) -> int:
    """0 for ASHA. HYPERBAND deals trials out to contests that begin later and later, fewer to each (Li et al. 2018)."""
    if rule.rule is StopRule.ASHA:
        return 0
    contests = 1
    while rule.warm_up_steps * rule.reduction**contests <= rule.max_steps:
        contests += 1
    shares = [-(-contests * rule.reduction**left // (left + 1)) for left in reversed(range(contests))]
    place = number * 7919 % sum(shares)  # mixed, so that each contest gets early and late trials
    for contest, share in enumerate(shares):
        if place < share:
            return contest
        place -= share
    return 0


def _at(curve: Mapping[int, float], step: int) -> float | None:
    """What a trial had when it came to a step; None: it has not come so far."""
    reached = [each for each in curve if each >= step]
    return curve[min(reached)] if reached else None


def _sign(rule: EarlyStopping) -> float:
    return 1.0 if rule.direction is Direction.MAXIMISE else -1.0
