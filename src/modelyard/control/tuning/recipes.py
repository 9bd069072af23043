"""What the job of a trial computes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from modelyard.algorithms.tables.boosted.schedule import write_schedule
from modelyard.control.tuning.strategies import population
from modelyard.types.jobs import JobRecipe
from modelyard.types.signatures import Scalar
from modelyard.types.tuning.generations import Generation
from modelyard.types.tuning.jobs import Trial
from modelyard.types.tuning.searches import Search, Strategy


def trial_recipe(search: Search, trials: Sequence[Trial], trial: Trial) -> JobRecipe:
    """The recipe of the job of `trial`, one of `trials`.

    One of a population goes on from its parent's checkpoint. An algorithm is told the whole way that led there, so that
    the recipe alone says what the model is, and a checkpoint only saves time.
    """
    recipe = replace(search.recipe, hyperparameters={**search.recipe.hyperparameters, **trial.hyperparameters})
    if search.strategy is not Strategy.PBT:
        return recipe
    line = population.ancestors({each.number: each for each in trials}, trial.number)
    parent = (line[-2].job or "") if len(line) > 1 else ""
    way = {} if recipe.script is not None else _way(search, line)
    return replace(
        recipe,
        hyperparameters={**recipe.hyperparameters, **way},
        generation=Generation(number=len(line) - 1, parent=parent),
    )


def chosen_recipe(search: Search, trials: Sequence[Trial], trial: Trial) -> JobRecipe:
    """The recipe that trains an algorithm once more as a trial did, to be registered."""
    return replace(trial_recipe(search, trials, trial), is_trial=False, generation=None)


def _way(search: Search, line: Sequence[Trial]) -> Mapping[str, Scalar]:
    """Rounds so far, each generation's with the hyper-parameters of the ancestor that was in it."""
    rounds, count = int(str(search.recipe.hyperparameters["rounds"])), population.generations(search)
    stages = [(rounds * place // count, each.hyperparameters) for place, each in enumerate(line)]
    return {"rounds": max(1, rounds * len(line) // count), "schedule": write_schedule(stages)}
