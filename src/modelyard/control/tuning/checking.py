"""Whether a search can be carried out at all: everything is refused before the first trial costs anything."""

import importlib.util
from collections.abc import Mapping

from modelyard.algorithms import hyperparameters
from modelyard.control.tuning import populations
from modelyard.control.tuning.errors import TuningInvalidError
from modelyard.kit.metric_names import falls
from modelyard.types.jobs import AlgorithmDescription, Hyperparameter, HyperparameterType
from modelyard.types.tuning.searches import Direction, Range, Search, Strategy

SECONDS = "seconds"
"""A figure that every trial has: how long its process ran."""

_NUMBERS = (HyperparameterType.INTEGER, HyperparameterType.NUMBER)
_FEWEST_FOR_CMA_ES = 2


def direction_of(metric: str) -> Direction:
    """Which way a figure is better, by its name."""
    return Direction.MINIMISE if falls(metric) else Direction.MAXIMISE


def typed_space(description: AlgorithmDescription, space: Mapping[str, Range]) -> dict[str, Range]:
    """The space with whole numbers where the algorithm takes whole numbers.

    Raises:
        HyperparameterInvalidError: a name that the algorithm does not have, or a value that it does not take.
        TuningInvalidError: a range that makes no sense.
    """
    known = {each.name: each for each in description.hyperparameters}
    typed = {}
    for name, each in space.items():
        is_number = name not in known or known[name].type in _NUMBERS
        for value in each.values or ((each.low, each.high) if is_number else ()):
            hyperparameters.complete(description, {name: value})
        typed[name] = _typed(name, known[name], each)
    return typed


def script_space(space: Mapping[str, Range]) -> dict[str, Range]:
    """The space of a script's hyper-parameters, of which nothing is known but what the ranges say themselves.

    Raises:
        TuningInvalidError: a range that makes no sense.
    """
    kinds = {True: HyperparameterType.INTEGER, False: HyperparameterType.NUMBER}
    return {
        name: _typed(name, Hyperparameter(name=name, type=kinds[each.is_whole], default=0, description=""), each)
        for name, each in space.items()
    }


def check(search: Search, description: AlgorithmDescription) -> None:
    """Nothing if it fits an algorithm.

    Raises:
        TuningInvalidError: what does not fit, and what would.
    """
    check_search(search)
    populations.check_algorithm(search, description)
    figures = (*description.metrics, SECONDS)
    named = [each.metric for each in search.objectives] + [each.metric for each in search.constraints]
    for metric in named:
        if metric not in figures:
            raise TuningInvalidError(
                f"{description.name} has no figure '{metric[:80]}'",
                hint=f"It has {', '.join(figures)}.",
                field="objectives",
            )


def check_search(search: Search) -> None:
    """Nothing if its parts fit each other.

    Raises:
        TuningInvalidError: what does not fit, and what would.
    """
    if not search.space:
        raise TuningInvalidError(
            "The search space is empty",
            hint='Name what to try: "space": {"max_depth": {"low": 2, "high": 8}}, or `--try max_depth=2..8`.',
        )
    both = sorted(search.space.keys() & search.recipe.hyperparameters.keys())
    if both:
        raise TuningInvalidError(
            f"'{both[0]}' is set and searched for",
            hint='Take it out of "hyperparameters" or of "space".',
            field=f"space.{both[0]}",
        )
    if not search.objectives:
        raise TuningInvalidError(
            "A script has no objective of its own",
            hint='Name a figure that it logs: "objectives": [{"metric": "val_loss"}], or `--metric val_loss`.',
            field="objectives",
        )
    if len({each.metric for each in search.objectives}) < len(search.objectives):
        raise TuningInvalidError("An objective is named twice", hint="Name each metric once.", field="objectives")
    if search.model and len(search.objectives) > 1:
        raise TuningInvalidError(
            "Several objectives have no single best model",
            hint='Leave out "model"; register a trial of the front when it has ended.',
            field="model",
        )
    _check_strategy(search)


def _check_strategy(search: Search) -> None:
    populations.check_population(search)
    numbers = [name for name, each in search.space.items() if not each.values]
    if search.strategy is Strategy.GRID:
        for name in numbers:
            each = search.space[name]
            if not each.is_whole and each.step is None:
                raise TuningInvalidError(
                    f"A grid has no steps for '{name}'",
                    hint='Give it "step" or "values".',
                    field=f"space.{name}",
                )
    is_too_much = len(numbers) < max(_FEWEST_FOR_CMA_ES, len(search.space)) or len(search.objectives) > 1
    if search.strategy is Strategy.CMA_ES and is_too_much:
        raise TuningInvalidError(
            "cma-es takes two or more numbers and one objective",
            hint="Choose tpe, which takes everything.",
            field="strategy",
        )
    if search.strategy is Strategy.GP and importlib.util.find_spec("torch") is None:
        raise TuningInvalidError(
            "The strategy gp needs torch, which is not installed",
            hint="Install it (`pip install 'modelyard[torch]'`), or choose tpe.",
            field="strategy",
        )


def _typed(name: str, parameter: Hyperparameter, each: Range) -> Range:
    field = f"space.{name}"
    if each.values:
        return each
    if parameter.type not in _NUMBERS:
        raise TuningInvalidError(f"'{name}' is no number", hint='List what to try in "values".', field=field)
    if not each.low < each.high:
        raise TuningInvalidError(
            f"The range of '{name}' is from {each.low:g} to {each.high:g}",
            hint='"low" must be below "high".',
            field=field,
        )
    if each.is_log and (each.low <= 0 or each.step is not None):
        raise TuningInvalidError(
            f"The logarithmic range of '{name}' begins at {each.low:g}{' and has steps' if each.step else ''}",
            hint='Begin above 0, and leave out "step".',
            field=field,
        )
    is_whole = parameter.type is HyperparameterType.INTEGER
    if is_whole and not (float(each.low).is_integer() and float(each.high).is_integer()):
        raise TuningInvalidError(
            f"'{name}' takes whole numbers, its range is from {each.low:g} to {each.high:g}",
            hint="Use whole bounds.",
            field=field,
        )
    if is_whole and each.step is not None and not float(each.step).is_integer():
        raise TuningInvalidError(
            f"'{name}' takes whole numbers, its step is {each.step:g}", hint="Use a whole step.", field=field
        )
    return Range(low=each.low, high=each.high, is_whole=is_whole, is_log=each.is_log, step=each.step)
