"""Population based training: who goes on from whom, and what is refused."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.algorithms.catalog import describe
from modelyard.control.tuning import populations
from modelyard.control.tuning.errors import TuningInvalidError
from modelyard.control.tuning.recipes import chosen_recipe, trial_recipe
from modelyard.control.tuning.strategies import population
from modelyard.control.tuning.strategies.choosing import choose, is_ready, parent_of, trial_count
from modelyard.types.jobs import JobRecipe
from modelyard.types.scripting.recipes import ScriptRecipe
from modelyard.types.tuning.generations import Generation
from modelyard.types.tuning.jobs import Trial, TrialStatus
from modelyard.types.tuning.searches import Direction, EarlyStopping, Objective, Range, Search, StopRule, Strategy

RATE = Range(low=1e-4, high=1.0, is_log=True)
LOSS = Objective(metric="loss", direction=Direction.MINIMISE)
TREES = "boosted-trees-regression"


def search(**given) -> Search:
    standard = {
        "recipe": JobRecipe(algorithm="script", script=ScriptRecipe()),
        "model": None,
        "space": {"rate": RATE},
        "objectives": (LOSS,),
        "max_trials": 22,
        "parallel_trials": 2,
        "population": 4,
    }
    return Search(strategy=Strategy.PBT, **(standard | given))


def train(asked: Search, figure) -> list[Trial]:
    """All trials of a search whose trials end as `figure(trial, trials)` says; None: it fails."""
    trials: list[Trial] = []
    for number in range(trial_count(asked)):
        trial = Trial(
            number=number,
            status=TrialStatus.FAILED,
            hyperparameters=choose(asked, trials, number),
            parent=parent_of(asked, trials, number),
            job=f"job-{number}",
        )
        loss = figure(trial, trials)
        if loss is not None:
            trial = replace(trial, status=TrialStatus.COMPLETED, values={"loss": loss})
        trials.append(trial)
    return trials


def test_the_worst_go_on_from_the_best_and_the_others_from_themselves() -> None:
    asked = search()
    trials = train(asked, lambda trial, _trials: float(trial.number % 4))
    assert len(trials) == 20, "whole generations"
    assert [trial.parent for trial in trials[:4]] == [None] * 4
    assert [trial.parent for trial in trials[4:8]] == [0, 1, 2, 0], "member 3 is the worst, member 0 the best"
    assert trials[5].hyperparameters == trials[1].hyperparameters
    ratio = trials[7].hyperparameters["rate"] / trials[0].hyperparameters["rate"]
    assert any(math.isclose(ratio, factor) for factor in (0.8, 1.2))
    assert trials == train(asked, lambda trial, _trials: float(trial.number % 4)), "the same every time"


def test_who_has_failed_goes_on_from_a_better_one_and_if_all_have_everybody_draws_again() -> None:
    trials = train(search(), lambda trial, _trials: None if trial.number in (1, 8, 9, 10, 11) else trial.number % 4)
    assert trials[5].parent == 0
    assert [trial.parent for trial in trials[12:16]] == [None] * 4
    assert population.ancestors({trial.number: trial for trial in trials}, 13) == [trials[13]]


def test_a_population_learns_a_rate_that_has_to_fall() -> None:
    """Each generation is a step down a bowl: whoever keeps one rate ends far from the bottom, or never gets there."""

    def place(trial: Trial, trials: list[Trial]) -> float:
        x = 8.0
        for number, each in enumerate(
            population.ancestors({each.number: each for each in [*trials, trial]}, trial.number)
        ):
            x -= min(2.0, 4 * float(each.hyperparameters["rate"])) * x * (1 if number < 3 else 0.5)
        return abs(x)

    asked = search(max_trials=80, population=8)
    found = min(trial.values["loss"] for trial in train(asked, place)[-8:])
    alone = [abs(place(trial, [])) for trial in train(replace(asked, max_trials=16), place)[:8]]
    assert found < min(alone) / 10


def test_a_generation_waits_for_the_one_before_it() -> None:
    asked = search()
    trials = train(asked, lambda trial, _trials: 1.0)
    running = [*trials[:3], replace(trials[3], status=TrialStatus.RUNNING)]
    assert is_ready(asked, running[:3])
    assert not is_ready(asked, running)
    assert is_ready(asked, trials[:4])
    assert is_ready(replace(asked, strategy=Strategy.TPE), running)
    assert population.outlived(asked, trials[:4]) == []
    assert population.outlived(asked, trials[:8]) == trials[:4]
    assert population.outlived(asked, trials[:9]) == []


@given(st.floats(0, 1), st.integers(0, 10))
def test_what_differs_a_little_stays_in_its_space(share: float, seed: int) -> None:
    space = {
        "rate": RATE,
        "offset": Range(low=-1, high=1),
        "depth": Range(low=1, high=9, is_whole=True),
        "part": Range(low=0.1, high=0.9, step=0.2),
        "kind": Range(values=("a", "b", "c")),
    }
    values = {
        "rate": 1e-4 ** (1 - share),
        "offset": 2 * share - 1,
        "depth": 1 + round(8 * share),
        "part": 0.1 + 0.2 * round(4 * share),
        "kind": "abc"[round(2 * share)],
    }
    moved = population.explore(space, values, np.random.default_rng(seed))
    for name in ("rate", "offset", "depth", "part"):
        assert space[name].low <= moved[name] <= space[name].high
    assert isinstance(moved["depth"], int)
    assert abs(moved["depth"] - values["depth"]) >= (1 if 1 < values["depth"] < 9 else 0)
    assert math.isclose((moved["part"] - 0.1) / 0.2, round((moved["part"] - 0.1) / 0.2), abs_tol=1e-9)
    assert moved["kind"] in space["kind"].values


def test_a_script_is_told_its_generation_and_its_parent() -> None:
    asked = search()
    trials = train(asked, lambda trial, _trials: float(trial.number % 4))
    assert trial_recipe(asked, trials, trials[2]).generation == Generation(number=0)
    assert trial_recipe(asked, trials, trials[7]).generation == Generation(number=1, parent="job-0")
    assert "schedule" not in trial_recipe(asked, trials, trials[7]).hyperparameters


def test_trees_are_told_the_whole_way_and_are_trained_by_it_once_more() -> None:
    description = describe(TREES)
    asked = populations.completed(
        search(
            recipe=JobRecipe(algorithm=TREES, hyperparameters={"rounds": 100}, is_trial=True),
            space={"learning_rate": Range(low=0.01, high=0.3, is_log=True)},
        ),
        description,
    )
    populations.check_algorithm(asked, description)
    trials = train(asked, lambda trial, _trials: float(trial.number % 4))
    recipe = trial_recipe(asked, trials, trials[7])
    stages = json.loads(recipe.hyperparameters["schedule"])
    assert [stage["from"] for stage in stages] == [0, 20]
    assert stages[0]["learning_rate"] == trials[0].hyperparameters["learning_rate"]
    assert recipe.hyperparameters["rounds"] == 40
    assert recipe.hyperparameters["early_stopping_rounds"] == 0
    assert trial_recipe(asked, trials, trials[16]).hyperparameters["rounds"] == 100
    chosen = chosen_recipe(asked, trials, trials[7])
    assert (chosen.is_trial, chosen.generation) == (False, None)
    assert chosen.hyperparameters == recipe.hyperparameters


@pytest.mark.parametrize(
    "changes",
    [
        {"max_trials": 7},
        {"objectives": (LOSS, replace(LOSS, metric="seconds"))},
        {"warm_start": ("tuning-1",)},
        {"early_stopping": EarlyStopping(rule=StopRule.ASHA, metric="loss", direction=Direction.MINIMISE)},
    ],
)
def test_what_a_population_cannot_do_is_refused(changes: dict) -> None:
    populations.check_population(search())
    with pytest.raises(TuningInvalidError):
        populations.check_population(search(**changes))


@pytest.mark.parametrize(("algorithm", "name"), [("forest-regression", "max_depth"), (TREES, "max_categories")])
def test_an_algorithm_that_cannot_go_on_with_other_hyperparameters_is_refused(algorithm: str, name: str) -> None:
    asked = search(recipe=JobRecipe(algorithm=algorithm), space={name: Range(low=2, high=8)})
    with pytest.raises(TuningInvalidError):
        populations.check_algorithm(asked, describe(algorithm))
