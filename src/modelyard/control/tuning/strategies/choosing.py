"""What the next trial tries."""

from collections.abc import Sequence

from modelyard.control.tuning.strategies import grid
from modelyard.types.signatures import Scalar
from modelyard.types.tuning.jobs import Trial
from modelyard.types.tuning.searches import Search, Strategy


def choose(search: Search, trials: Sequence[Trial], number: int) -> dict[str, Scalar]:
    """Hyper-parameters of trial `number`, which is below `trial_count(search)`.

    Args:
        search: what is looked for.
        trials: those before it, in their order, and before them those of other tuning jobs that count here.
        number: of the trial.
    """
    if search.strategy is Strategy.GRID:
        return grid.point(search.space, number)
    if search.strategy is Strategy.CMA_ES:
        from modelyard.control.tuning.strategies.evolution import evolve  # noqa: PLC0415 - imports a library

        return evolve(search, trials, number)
    from modelyard.control.tuning.strategies.study import draw  # noqa: PLC0415 - half a second of import

    return draw(search, trials, number)


def trial_count(search: Search) -> int:
    """How many trials there will be: a grid may have fewer than were allowed."""
    if search.strategy is Strategy.GRID:
        return min(search.max_trials, grid.size(search.space))
    return search.max_trials
