"""What the next trial tries."""

from collections.abc import Collection, Mapping, Sequence

from modelyard.control.tuning.strategies import grid
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
    proposed = _propose(search, trials, number)
    if not grid.is_finite(search.space):
        return proposed
    own = trials[len(trials) - number :]
    return _untried(search.space, proposed, {grid.place(search.space, trial.hyperparameters) for trial in own})


def trial_count(search: Search) -> int:
    """How many trials there will be: fewer than were allowed where there are fewer combinations."""
    return min(search.max_trials, grid.size(search.space)) if grid.is_finite(search.space) else search.max_trials


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
