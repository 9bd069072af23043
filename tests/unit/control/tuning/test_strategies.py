"""What is tried next, who ends early, and which trials are the best."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.control.tuning.strategies import ranking, stopping
from modelyard.control.tuning.strategies.choosing import choose, trial_count
from modelyard.control.tuning.strategies.study import importances
from modelyard.types.jobs import JobRecipe
from modelyard.types.tuning.jobs import Trial, TrialStatus
from modelyard.types.tuning.searches import (
    Constraint,
    Direction,
    EarlyStopping,
    Objective,
    Range,
    Search,
    StopRule,
    Strategy,
)

RATE = Range(low=1e-4, high=1.0, is_log=True)
DEPTH = Range(low=1, high=20, is_whole=True)
LOSS = Objective(metric="loss", direction=Direction.MINIMISE)


def search(strategy: Strategy = Strategy.TPE, **given) -> Search:
    standard = {
        "recipe": JobRecipe(algorithm="any"),
        "model": None,
        "space": {"rate": RATE, "depth": DEPTH},
        "objectives": (LOSS,),
        "max_trials": 40,
        "parallel_trials": 1,
    }
    return Search(strategy=strategy, **(standard | given))


def completed(number: int, hyperparameters: dict | None = None, **values: float) -> Trial:
    return Trial(
        number=number, status=TrialStatus.COMPLETED, hyperparameters=hyperparameters or {"depth": 1}, values=values
    )


def loss(values: dict) -> float:
    """A bowl whose bottom, 0, is at rate 0.03 and depth 6."""
    return (math.log10(values["rate"]) - math.log10(0.03)) ** 2 + ((values["depth"] - 6) / 6) ** 2


def run(asked: Search) -> list[Trial]:
    trials: list[Trial] = []
    for number in range(trial_count(asked)):
        values = choose(asked, trials, number)
        trials.append(completed(number, values, loss=loss(values)))
    return trials


@pytest.mark.parametrize("strategy", [Strategy.RANDOM, Strategy.TPE, Strategy.CMA_ES])
def test_what_is_tried_lies_in_the_space_and_is_the_same_every_time(strategy: Strategy) -> None:
    asked = search(strategy, max_trials=20)
    tried = [trial.hyperparameters for trial in run(asked)]
    assert tried == [trial.hyperparameters for trial in run(asked)]
    assert len({str(values) for values in tried}) > 15
    for values in tried:
        assert 1e-4 <= values["rate"] <= 1.0
        assert isinstance(values["depth"], int)
        assert 1 <= values["depth"] <= 20


@pytest.mark.parametrize(("strategy", "trials"), [(Strategy.TPE, 40), (Strategy.CMA_ES, 100)])
def test_strategies_that_learn_find_more_than_chance(strategy: Strategy, trials: int) -> None:
    space = {"rate": RATE, "depth": Range(low=1, high=20)}

    def found(by: Strategy) -> float:
        searches = [search(by, space=space, recipe=seeded(seed), max_trials=trials) for seed in range(5)]
        return sum(min(loss(trial.hyperparameters) for trial in run(each)) for each in searches) / len(searches)

    assert found(strategy) < 0.5 * found(Strategy.RANDOM)


def seeded(seed: int) -> JobRecipe:
    return JobRecipe(algorithm="any", seed=1000 * seed)


def test_a_grid_tries_every_combination_once() -> None:
    space = {
        "depth": Range(low=2, high=8, step=2, is_whole=True),
        "share": Range(low=0.1, high=0.3, step=0.1),
        "kind": Range(values=("a", "b")),
    }
    asked = search(Strategy.GRID, space=space, max_trials=100)
    tried = [choose(asked, [], number) for number in range(trial_count(asked))]
    assert len(tried) == 4 * 3 * 2
    assert tried[0] == {"depth": 2, "share": 0.1, "kind": "a"}
    assert tried[-1] == {"depth": 8, "share": 0.3, "kind": "b"}
    assert len({str(values) for values in tried}) == len(tried)
    assert trial_count(replace(asked, max_trials=5)) == 5


@pytest.mark.parametrize("strategy", [Strategy.RANDOM, Strategy.TPE, Strategy.CMA_ES])
def test_nothing_is_tried_twice_where_the_combinations_can_be_counted(strategy: Strategy) -> None:
    space = {"depth": Range(low=4, high=7, is_whole=True), "rate": Range(low=0.1, high=0.3, step=0.1)}
    trials = run(search(strategy, space=space))
    assert len(trials) == len({str(trial.hyperparameters) for trial in trials}) == 4 * 3
    assert min(trials, key=lambda trial: trial.values["loss"]).hyperparameters == {"depth": 6, "rate": 0.1}


def test_a_single_combination_is_one_trial() -> None:
    (only,) = run(search(space={"rate": Range(values=(0.1,)), "depth": Range(values=(3,))}))
    assert only.hyperparameters == {"rate": 0.1, "depth": 3}


def test_trials_of_an_earlier_search_are_learned_from() -> None:
    asked = search(Strategy.TPE, max_trials=20)
    earlier = [completed(n, {"rate": 0.03 * 1.05**n, "depth": 6 if n % 2 else 7}, loss=0.01 * n) for n in range(10)] + [
        completed(10 + n, {"rate": 0.0002 * 1.1**n, "depth": 18}, loss=9.0 + n) for n in range(10)
    ]
    near = [choose(asked, earlier, number) for number in range(5)]
    assert sum(loss(values) < 1 for values in near) >= 4


def test_the_front_has_whom_nobody_beats_and_who_breaks_a_constraint_is_never_best() -> None:
    cost = Objective(metric="seconds", direction=Direction.MINIMISE)
    good = Objective(metric="accuracy", direction=Direction.MAXIMISE)
    asked = search(objectives=(good, cost), constraints=(Constraint(metric="accuracy", at_least=0.5),))
    figures = [(0.9, 10.0), (0.8, 5.0), (0.8, 6.0), (0.95, 30.0), (0.4, 1.0)]
    trials = [
        replace(
            completed(number, accuracy=accuracy, seconds=seconds),
            is_feasible=ranking.is_feasible(asked, {"accuracy": accuracy, "seconds": seconds}),
        )
        for number, (accuracy, seconds) in enumerate(figures)
    ]
    assert ranking.front(asked, trials) == (0, 1, 3)
    assert ranking.ranked(asked, trials)[0].number == 3
    assert not ranking.is_feasible(asked, {})


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=20))
def test_every_trial_is_in_the_front_or_beaten_by_one_of_it(figures: list[tuple[int, int]]) -> None:
    objectives = (LOSS, Objective(metric="seconds", direction=Direction.MINIMISE))
    trials = [completed(n, loss=a, seconds=b) for n, (a, b) in enumerate(figures)]
    front = ranking.front(search(objectives=objectives), trials)
    assert front
    for number, (a, b) in enumerate(figures):
        beaten = [
            other for other in front if figures[other] != (a, b) and figures[other][0] <= a and figures[other][1] <= b
        ]
        assert (number in front) != bool(beaten)


def test_importances_name_what_matters() -> None:
    asked = search(Strategy.RANDOM, max_trials=60)
    trials = [replace(trial, values={"loss": trial.hyperparameters["depth"] * 1.0}) for trial in run(asked)]
    shares = importances(asked, trials, LOSS)
    assert shares["depth"] > 0.9
    assert shares["rate"] < 0.1
    assert importances(asked, trials[:1], LOSS) == {}


def running(number: int, curve: dict[int, float]) -> Trial:
    return Trial(number=number, status=TrialStatus.RUNNING, hyperparameters={}, curve=curve)


def test_the_median_rule_ends_who_is_worse_than_half_and_nobody_before_the_warm_up() -> None:
    rule = EarlyStopping(rule=StopRule.MEDIAN, metric="loss", direction=Direction.MINIMISE, warm_up_steps=3)
    others = [replace(completed(n, loss=1.0), curve=dict.fromkeys(range(1, 11), 0.1 * n)) for n in range(1, 6)]
    bad, good, early = running(6, {1: 0.5, 4: 0.45}), running(7, {4: 0.2}), running(8, {2: 9.0})
    assert stopping.losers(rule, [*others, bad, good, early]).keys() == {6}
    assert stopping.losers(rule, [*others[:3], bad]) == {}, "three others are too few"
    assert stopping.losers(rule, [*others, replace(bad, is_ending=True)]) == {}, "it was told already"


def test_asha_lets_the_best_third_go_on_at_each_rung() -> None:
    rule = EarlyStopping(rule=StopRule.ASHA, metric="acc", direction=Direction.MAXIMISE, warm_up_steps=2, reduction=3)
    trials = [running(n, {1: 0.0, 2: n / 10}) for n in range(9)]
    assert stopping.losers(rule, trials).keys() == set(range(6))
    ahead = [replace(completed(20 + n), curve={2: 1.0, 6: n / 10}) for n in range(3)]
    late = running(30, {2: 2.0, 6: 0.15})
    assert stopping.losers(rule, [*ahead, late]).keys() == {30}, "at step 6 one of four may go on"


@pytest.mark.parametrize("kind", [StopRule.ASHA, StopRule.HYPERBAND])
def test_halving_saves_most_steps_and_keeps_a_good_trial(kind: StopRule) -> None:
    rule = EarlyStopping(rule=kind, metric="loss", direction=Direction.MINIMISE, warm_up_steps=3, max_steps=81)
    qualities = [((37 * n) % 81) / 81 for n in range(81)]
    curves: dict[int, dict[int, float]] = {n: {} for n in range(81)}
    alive, spent = set(range(81)), 0
    for step in range(1, 82):
        for n in alive:
            curves[n] = {**curves[n], step: qualities[n] + 1 / step}
        spent += len(alive)
        alive -= stopping.losers(
            rule,
            [running(n, curves[n]) for n in sorted(alive)]
            + [
                Trial(number=n, status=TrialStatus.ENDED_EARLY, hyperparameters={}, curve=curves[n])
                for n in curves.keys() - alive
            ],
        ).keys()
    assert spent < 0.5 * 81 * 81
    assert min(qualities[n] for n in alive) < 0.05


def test_a_curve_keeps_all_early_steps_and_ever_fewer_later_ones() -> None:
    kept = [step for step in range(1, 100_001) if stopping.is_kept(step)]
    assert kept[:100] == list(range(1, 101))
    assert len(kept) == 100 + 3 * 90
    assert {1000, 1100, 99_000} <= set(kept)
    assert not {101, 1050, 99_999} & set(kept)
