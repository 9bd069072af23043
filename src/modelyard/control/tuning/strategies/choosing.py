"""What the next trial tries."""

from collections.abc import Collection, Mapping, Sequence

from modelyard.control.tuning.strategies import grid, population
from modelyard.types.signatures import Scalar
from modelyard.types.tuning.jobs import Trial
from modelyard.types.tuning.searches import Range, Search, Strategy


def choose(search: Search, trials: Sequence[Trial], number: int) -> dict[str, Scalar]:
    """Hyper-parameters of trial `number`, which is below `trial_count(search)`.

    Args:
        search: what is looked for.
        trials: those before it, in their order, and before them those of other tuning jobs that count here.
        number: of the trial.
    """
    if search.strategy is Strategy.GRID:
        return grid.point(search.space, number)
    if search.strategy is Strategy.PBT and (descent := population.descend(search, trials, number)) is not None:
        return descent[0]
    proposed = _propose(search, trials, number)
    if search.strategy is Strategy.PBT or not grid.is_finite(search.space):
        return proposed
    own = trials[len(trials) - number :]
    return _untried(search.space, proposed, {grid.place(search.space, trial.hyperparameters) for trial in own})


def trial_count(search: Search) -> int:
    """How many trials there will be: fewer than allowed where there are fewer combinations, or no whole generation."""
    if search.strategy is Strategy.PBT:
        return population.generations(search) * search.population
    has_end = search.strategy is Strategy.GRID or grid.is_finite(search.space)
    return min(search.max_trials, grid.size(search.space)) if has_end else search.max_trials


def parent_of(search: Search, trials: Sequence[Trial], number: int) -> int | None:
    """The trial whose checkpoint trial `number` goes on from."""
    descent = population.descend(search, trials, number) if search.strategy is Strategy.PBT else None
    return None if descent is None else descent[1]


def is_ready(search: Search, trials: Sequence[Trial]) -> bool:
    """Whether the trial after these may begin: a generation waits for the one before it."""
    return search.strategy is not Strategy.PBT or population.is_ready(search, trials)


def _propose(search: Search, trials: Sequence[Trial], number: int) -> dict[str, Scalar]:
    if search.strategy is Strategy.CMA_ES:
        from modelyard.control.tuning.strategies.evolution import evolve  # noqa: PLC0415 - imports a library

        return evolve(search, trials, number)
    from modelyard.control.tuning.strategies.study import draw  # noqa: PLC0415 - half a second of import

    return draw(search, trials, number)


def _untried(space: Mapping[str, Range], proposed: dict[str, Scalar], tried: Collection[int]) -> dict[str, Scalar]:
    """What was proposed or, had it been tried, its nearest neighbour that was not: a repetition tells nothing new."""
    place, size = grid.place(space, proposed), grid.size(space)
    if place not in tried:
        return proposed
    untried = (
        near for far in range(1, size) for near in (place - far, place + far) if 0 <= near < size and near not in tried
    )
    return grid.point(space, next(untried, place))
