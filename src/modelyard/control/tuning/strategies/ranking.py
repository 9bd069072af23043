"""Which trials are the best."""

from collections.abc import Mapping, Sequence

from modelyard.types.tuning.jobs import Trial, TrialStatus
from modelyard.types.tuning.searches import Direction, Objective, Search


def ranked(search: Search, trials: Sequence[Trial]) -> list[Trial]:
    """Trials that may be chosen, best first by the first objective, equal ones in the order of their numbers."""
    valid = [trial for trial in trials if trial.status is TrialStatus.COMPLETED and trial.is_feasible]
    return sorted(valid, key=lambda trial: (-_gains(search.objectives, trial.values)[0], trial.number))


def front(search: Search, trials: Sequence[Trial]) -> tuple[int, ...]:
    """Numbers of the trials that may be chosen and that no other one beats: better in one objective, worse in none."""
    gains = {trial.number: _gains(search.objectives, trial.values) for trial in ranked(search, trials)}
    return tuple(
        number
        for number, mine in sorted(gains.items())
        if not any(_beats(theirs, mine) for other, theirs in gains.items() if other != number)
    )


def is_feasible(search: Search, values: Mapping[str, float]) -> bool:
    """Whether figures keep all constraints; a figure that is missing breaks its constraint."""
    return all(each.metric in values and each.excess(values[each.metric]) <= 0 for each in search.constraints)


def _beats(one: Sequence[float], other: Sequence[float]) -> bool:
    return all(a >= b for a, b in zip(one, other, strict=True)) and tuple(one) != tuple(other)


def _gains(objectives: Sequence[Objective], values: Mapping[str, float]) -> tuple[float, ...]:
    """Values with the sign that makes more better."""
    return tuple(
        values[each.metric] if each.direction is Direction.MAXIMISE else -values[each.metric] for each in objectives
    )
