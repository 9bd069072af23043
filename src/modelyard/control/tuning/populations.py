"""Whether a population can be trained: which searches and which algorithms."""

from dataclasses import replace

from modelyard.algorithms import hyperparameters
from modelyard.algorithms.tables.boosted.schedule import CHANGEABLE
from modelyard.control.tuning.errors import TuningInvalidError
from modelyard.types.jobs import AlgorithmDescription
from modelyard.types.tuning.searches import Search, Strategy

_FEWEST = 2
"""Members, and generations."""


def completed(search: Search, description: AlgorithmDescription) -> Search:
    """A search that says how many rounds all generations have together; nothing stops early unless somebody asks."""
    if search.strategy is not Strategy.PBT:
        return search
    given = {"early_stopping_rounds": 0, **search.recipe.hyperparameters}
    rounds = hyperparameters.complete(description, {}).get("rounds", 0)
    return replace(search, recipe=replace(search.recipe, hyperparameters={"rounds": rounds, **given}))


def check_algorithm(search: Search, description: AlgorithmDescription) -> None:
    """Nothing if an algorithm goes on from a checkpoint with other hyper-parameters, and these are some of them.

    Raises:
        TuningInvalidError: it does not, or not with these.
    """
    if search.strategy is not Strategy.PBT:
        return
    if "schedule" not in {each.name for each in description.hyperparameters}:
        raise TuningInvalidError(
            f"{description.name} does not go on from a checkpoint with other hyper-parameters, as pbt wants",
            hint="Boosted trees do, and scripts that save checkpoints. Choose tpe for the others.",
            field="strategy",
        )
    fixed = sorted(search.space.keys() - set(CHANGEABLE))
    if fixed:
        raise TuningInvalidError(
            f"'{fixed[0]}' cannot change during a training, as pbt wants",
            hint=f"{', '.join(CHANGEABLE)} can. Set it, or choose tpe.",
            field=f"space.{fixed[0]}",
        )


def check_population(search: Search) -> None:
    """Nothing if the search is one that a population can carry out.

    Raises:
        TuningInvalidError: it has too few trials, or asks for what pbt does not do.
    """
    if search.strategy is not Strategy.PBT:
        return
    if search.max_trials < _FEWEST * search.population:
        raise TuningInvalidError(
            f"{search.max_trials} trials are less than two generations of {search.population}",
            hint='Raise "max_trials" to a multiple of "population", or lower "population".',
            field="max_trials",
        )
    if len(search.objectives) > 1 or search.early_stopping is not None or search.warm_start:
        raise TuningInvalidError(
            "pbt takes one objective, ends no trial early and starts from no other search",
            hint="Leave that out, or choose tpe, which takes everything.",
            field="strategy",
        )
