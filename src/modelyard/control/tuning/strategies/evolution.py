"""CMA-ES over the numbers of a search space (Hansen 2016), replayed from the trials: it keeps no state of its own."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from cmaes import CMA
from numpy.typing import NDArray

from modelyard.types.signatures import Scalar
from modelyard.types.tuning.jobs import Trial, TrialStatus
from modelyard.types.tuning.searches import Direction, Range, Search

_FIRST_SPREAD = 0.25  # of the whole range, as standard deviation


def evolve(search: Search, trials: Sequence[Trial], number: int) -> dict[str, Scalar]:
    """What trial `number` tries: drawn from the distribution that the generations before it have shaped."""
    names = list(search.space)
    optimizer = CMA(
        mean=np.full(len(names), 0.5),
        sigma=_FIRST_SPREAD,
        bounds=np.array([[0.0, 1.0]] * len(names)),
        seed=search.recipe.seed,
    )
    (objective,) = search.objectives
    sign = -1.0 if objective.direction is Direction.MAXIMISE else 1.0
    told = [
        (_position(search.space, trial.hyperparameters), sign * trial.values[objective.metric])
        for trial in trials
        if trial.status is TrialStatus.COMPLETED and objective.metric in trial.values
    ]
    size = optimizer.population_size
    for start in range(0, len(told) - size + 1, size):
        optimizer.tell(told[start : start + size])
    optimizer.reseed_rng(search.recipe.seed + number)
    return _values(search.space, optimizer.ask())


def _position(space: Mapping[str, Range], values: Mapping[str, Scalar]) -> NDArray[np.float64]:
    """Values as a point of the unit cube."""
    point = []
    for name, each in space.items():
        low, high, value = _scaled(each, each.low), _scaled(each, each.high), _scaled(each, float(values[name]))
        point.append(0.5 if high == low else (value - low) / (high - low))
    return np.array(point)


def _values(space: Mapping[str, Range], point: Sequence[float]) -> dict[str, Scalar]:
    return {name: _value(each, float(share)) for (name, each), share in zip(space.items(), point, strict=True)}


def _value(each: Range, share: float) -> Scalar:
    low, high = _scaled(each, each.low), _scaled(each, each.high)
    value = low + share * (high - low)
    value = math.exp(value) if each.is_log else value
    if each.step:
        value = each.low + round((value - each.low) / each.step) * each.step
    value = min(max(value, each.low), each.high)
    return round(value) if each.is_whole else value


def _scaled(each: Range, value: float) -> float:
    return math.log(value) if each.is_log else value
