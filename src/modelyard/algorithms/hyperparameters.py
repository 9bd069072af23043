"""Checks hyper-parameters against an algorithm's description and fills in what was left out."""

import math
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import TypeVar

from modelyard.algorithms.errors import HyperparameterInvalidError
from modelyard.types.jobs import AlgorithmDescription, Hyperparameter, HyperparameterType
from modelyard.types.signatures import Scalar

_N = TypeVar("_N", int, float)

_TRUE, _FALSE = ("true", "1", "yes"), ("false", "0", "no")


def complete(description: AlgorithmDescription, given: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """Every hyper-parameter of the algorithm, `given` ones over defaults, in the description's order.

    Numbers and truth values may come as text ("0.01", "true"), as the command line and the AWS API send them.

    Raises:
        HyperparameterInvalidError: an unknown name, a wrong type, or a value that is not allowed.
    """
    known = {parameter.name: parameter for parameter in description.hyperparameters}
    for name in given:
        if name not in known:
            raise _unknown(description, name)
    return {name: _checked(parameter, given.get(name, parameter.default)) for name, parameter in known.items()}


def checked(parameters: Iterable[Hyperparameter], given: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """The `given` ones, each of which is one of `parameters`, as `complete` has them.

    Raises:
        HyperparameterInvalidError: a wrong type, or a value that is not allowed.
    """
    known = {parameter.name: parameter for parameter in parameters}
    return {name: _checked(known[name], value) for name, value in given.items()}


def integers(value: Scalar) -> tuple[int, ...]:
    """The numbers of an INTEGERS value: "128,64" is (128, 64).

    Raises:
        ValueError: it is no list of whole numbers.
    """
    return tuple(int(part) for part in str(value).split(","))


def _checked(parameter: Hyperparameter, value: Scalar) -> Scalar:
    match parameter.type:
        case HyperparameterType.INTEGER:
            return _within(parameter, _integer(parameter, value))
        case HyperparameterType.NUMBER:
            return _within(parameter, _number(parameter, value))
        case HyperparameterType.BOOLEAN:
            return _boolean(parameter, value)
        case HyperparameterType.INTEGERS:
            return _integers(parameter, value)
        case HyperparameterType.STRING:
            return _choice(parameter, value)


def _integer(parameter: Hyperparameter, value: Scalar) -> int:
    number = _number(parameter, value)
    if not number.is_integer():
        raise _invalid(parameter, value, "a whole number")
    return int(number)


def _number(parameter: Hyperparameter, value: Scalar) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise _invalid(parameter, value, "a number")
    return number


def _boolean(parameter: Hyperparameter, value: Scalar) -> bool:
    word = str(value).lower()
    if word not in _TRUE + _FALSE:
        raise _invalid(parameter, value, "true or false")
    return word in _TRUE


def _integers(parameter: Hyperparameter, value: Scalar) -> str:
    try:
        numbers = integers(value)
    except ValueError:
        raise _invalid(parameter, value, 'whole numbers with commas between them ("128,64")') from None
    for number in numbers:
        _within(parameter, number)
    return ",".join(str(number) for number in numbers)


def _choice(parameter: Hyperparameter, value: Scalar) -> str:
    word = str(value)
    if parameter.choices and word not in parameter.choices:
        close = get_close_matches(word.lower(), parameter.choices, n=1)
        raise HyperparameterInvalidError(
            f"Hyper-parameter '{parameter.name}' is '{word[:80]}'",
            hint=f"{_did_you_mean(close)}Choose one of {', '.join(parameter.choices)}.",
            field=f"hyperparameters.{parameter.name}",
        )
    return word


def _within(parameter: Hyperparameter, number: _N) -> _N:
    low, high = parameter.minimum, parameter.maximum
    if (low is not None and number < low) or (high is not None and number > high):
        span = f"from {low:g} to {high:g}" if low is not None and high is not None else ""
        span = span or (f"of at least {low:g}" if low is not None else f"of at most {high:g}")
        raise _invalid(parameter, number, f"a value {span}")
    return number


def _invalid(parameter: Hyperparameter, value: Scalar, expected: str) -> HyperparameterInvalidError:
    return HyperparameterInvalidError(
        f"Hyper-parameter '{parameter.name}' is {str(value)[:80]!r}, it takes {expected}",
        hint=f"{parameter.description} The default is {parameter.default}.",
        field=f"hyperparameters.{parameter.name}",
    )


def _unknown(description: AlgorithmDescription, name: str) -> HyperparameterInvalidError:
    names = [parameter.name for parameter in description.hyperparameters]
    close = get_close_matches(name.lower().replace("-", "_"), names, n=1)
    return HyperparameterInvalidError(
        f"{description.name} has no hyper-parameter '{name[:80]}'",
        hint=f"{_did_you_mean(close)}It has {', '.join(names)}.",
        field=f"hyperparameters.{name[:80]}",
    )


def _did_you_mean(close: list[str]) -> str:
    return f"Did you mean '{close[0]}'? " if close else ""
