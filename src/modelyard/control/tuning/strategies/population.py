"""Population based training (Jaderberg et al. 2017): a pure function of the trials so far.

Trial `number` is member `number % population` of generation `number // population`. A generation begins when the one
before it has ended. Each member goes on from its own checkpoint, or, if it was among the worst quarter or has failed,
from that of one of the best quarter, with hyper-parameters that differ a little from that one's.
"""

from collections.abc import Mapping, Sequence
from math import ceil, floor

import numpy as np

from modelyard.control.tuning.strategies import ranking
from modelyard.types.signatures import Scalar
from modelyard.types.tuning.jobs import Trial, TrialStatus
from modelyard.types.tuning.searches import Range, Search

_PART = 4  # one in so many makes room, and one in so many is copied
_FACTORS = (0.8, 1.2)  # the paper's
_SLACK = 1e-9  # of a step
_SHIFT = 0.2  # of the range, where it reaches to 0 or below: a factor would never leave 0


def generation_of(search: Search, number: int) -> int:
    """The generation that a trial belongs to."""
    return number // search.population


def generations(search: Search) -> int:
    """How many there will be."""
    return max(1, search.max_trials // search.population)


def is_ready(search: Search, trials: Sequence[Trial]) -> bool:
    """Whether the next trial may begin: all of the generation before its own have ended."""
    first = generation_of(search, len(trials)) * search.population
    return all(trial.status is not TrialStatus.RUNNING for trial in trials[:first])


def outlived(search: Search, trials: Sequence[Trial]) -> list[Trial]:
    """Trials whose checkpoints nobody needs once a generation has begun after these: those of the last but one."""
    generation, place = divmod(len(trials), search.population)
    if place or generation < 2:  # noqa: PLR2004 - the first two have none before the one before them
        return []
    return [trial for trial in trials if generation_of(search, trial.number) == generation - 2]


def descend(search: Search, trials: Sequence[Trial], number: int) -> tuple[dict[str, Scalar], int] | None:
    """Hyper-parameters of a trial, and the trial whose checkpoint it goes on from.

    None: it has no ancestors and draws: it is of the first generation, or of the one before it none has completed.
    """
    generation = generation_of(search, number)
    before = [trial for trial in trials if generation_of(search, trial.number) == generation - 1]
    ranked = ranking.ranked(search, before) or [each for each in before if each.status is TrialStatus.COMPLETED]
    if not ranked:
        return None
    part = max(1, len(ranked) // _PART)
    own = next((trial for trial in ranked if trial.number == number - search.population), None)
    is_behind = own is not None and own in ranked[part:] and own in ranked[-part:]
    if own is not None and not is_behind:
        return dict(own.hyperparameters), own.number
    generator = np.random.default_rng([search.recipe.seed, number])
    model = ranked[int(generator.integers(part))]
    return explore(search.space, model.hyperparameters, generator), model.number


def explore(
    space: Mapping[str, Range], values: Mapping[str, Scalar], generator: np.random.Generator
) -> dict[str, Scalar]:
    """Each value a little smaller or larger; of a list, a neighbour."""
    return {name: _moved(each, values[name], is_up=bool(generator.integers(2))) for name, each in space.items()}


def ancestors(trials: Mapping[int, Trial], number: int) -> list[Trial]:
    """The trials that led to one, the oldest first, itself last."""
    found = [trials[number]]
    while found[-1].parent is not None:
        found.append(trials[found[-1].parent])
    return found[::-1]


def _moved(each: Range, value: Scalar, *, is_up: bool) -> Scalar:
    if each.values:
        place = each.values.index(value) + (1 if is_up else -1)
        return each.values[min(max(place, 0), len(each.values) - 1)]
    number = float(value)
    if each.low > 0:
        wanted = number * _FACTORS[is_up]
    else:
        wanted = number + (_SHIFT if is_up else -_SHIFT) * (each.high - each.low)
    step = each.step or (1.0 if each.is_whole else None)
    if step is not None:
        steps = round((wanted - number) / step) or (1 if is_up else -1)
        fewest, most = ceil((each.low - number) / step - _SLACK), floor((each.high - number) / step + _SLACK)
        wanted = number + min(max(steps, fewest), most) * step
    wanted = min(max(wanted, each.low), each.high)
    return round(wanted) if each.is_whole else wanted
