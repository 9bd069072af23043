"""Optuna's view of a search: made anew from the trials whenever something is asked, so that a kill loses nothing."""

import warnings
from collections.abc import Sequence
from math import inf

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from modelyard.types.signatures import Scalar
from modelyard.types.tuning.jobs import Trial, TrialStatus
from modelyard.types.tuning.searches import Direction, Objective, Range, Search, Strategy

optuna.logging.set_verbosity(optuna.logging.ERROR)

_STATES = {
    TrialStatus.RUNNING: optuna.trial.TrialState.RUNNING,
    TrialStatus.COMPLETED: optuna.trial.TrialState.COMPLETE,
    TrialStatus.ENDED_EARLY: optuna.trial.TrialState.PRUNED,
    TrialStatus.FAILED: optuna.trial.TrialState.FAIL,
    TrialStatus.STOPPED: optuna.trial.TrialState.FAIL,
}
_STARTUP_SHARE = 4  # a quarter of the trials is drawn at random before TPE trusts what it has seen


def draw(search: Search, trials: Sequence[Trial], number: int) -> dict[str, Scalar]:
    """What trial `number` tries, by RANDOM, TPE or GP: always the same for the same trials before it."""
    seed = search.recipe.seed + number
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study = _study(search, trials, search.objectives, sampler=_sampler(search, seed))
        asked = study.ask(_distributions(search.space))
    return {name: asked.params[name] for name in search.space}


def importances(search: Search, trials: Sequence[Trial], objective: Objective) -> dict[str, float]:
    """Share of an objective's variance that each hyper-parameter explains, largest first; empty with too few trials.

    By functional ANOVA over a random forest (Hutter, Hoos, Leyton-Brown 2014), as Optuna computes it.
    """
    study = _study(search, trials, (objective,))
    done = [each for each in study.get_trials(deepcopy=False) if each.state is optuna.trial.TrialState.COMPLETE]
    if len(done) < 2 or len({each.value for each in done}) < 2:  # noqa: PLR2004 - nothing varies
        return {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=search.recipe.seed)
    return {name: float(value) for name, value in evaluator.evaluate(study).items()}


def _study(
    search: Search,
    trials: Sequence[Trial],
    objectives: Sequence[Objective],
    *,
    sampler: optuna.samplers.BaseSampler | None = None,
) -> optuna.Study:
    study = optuna.create_study(
        directions=["maximize" if each.direction is Direction.MAXIMISE else "minimize" for each in objectives],
        sampler=sampler or optuna.samplers.RandomSampler(seed=0),
    )
    space = _distributions(search.space)
    study.add_trials([_frozen(search, trial, space, objectives) for trial in trials])
    return study


def _frozen(
    search: Search, trial: Trial, space: dict[str, BaseDistribution], objectives: Sequence[Objective]
) -> optuna.trial.FrozenTrial:
    """A trial as Optuna writes it down. One that lacks a figure counts as failed."""
    state = _STATES[trial.status]
    values = [trial.values.get(each.metric) for each in objectives]
    if state is optuna.trial.TrialState.COMPLETE and None in values:
        state = optuna.trial.TrialState.FAIL
    bounds = {each.metric: each.excess(trial.values.get(each.metric, inf)) for each in search.constraints}
    is_complete = state is optuna.trial.TrialState.COMPLETE
    return optuna.trial.create_trial(
        state=state,
        values=values if is_complete else None,  # type: ignore[arg-type] # none of them is None
        params=dict(trial.hyperparameters),
        distributions=space,
        constraints=bounds if is_complete else None,
    )


def _sampler(search: Search, seed: int) -> optuna.samplers.BaseSampler:
    match search.strategy:
        case Strategy.TPE:
            startup = max(3, min(10, search.max_trials // _STARTUP_SHARE))
            return optuna.samplers.TPESampler(
                seed=seed, n_startup_trials=startup, multivariate=True, constant_liar=search.parallel_trials > 1
            )
        case Strategy.GP:
            return optuna.samplers.GPSampler(seed=seed)
        case _:
            return optuna.samplers.RandomSampler(seed=seed)


def _distributions(space: dict[str, Range]) -> dict[str, BaseDistribution]:
    return {name: _distribution(each) for name, each in space.items()}


def _distribution(each: Range) -> BaseDistribution:
    if each.values:
        return CategoricalDistribution(list(each.values))
    if each.is_whole:
        return IntDistribution(int(each.low), int(each.high), log=each.is_log, step=int(each.step or 1))
    return FloatDistribution(each.low, each.high, log=each.is_log, step=each.step)
