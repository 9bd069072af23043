"""Every combination of a search space."""

from collections.abc import Mapping
from math import floor, prod

from modelyard.types.signatures import Scalar
from modelyard.types.tuning.searches import Range

_SLACK = 1e-9  # of a step, so that 0.1 to 0.3 by 0.1 has three values


def is_finite(space: Mapping[str, Range]) -> bool:
    """Whether the combinations can be counted: lists, whole numbers, and numbers with a step."""
    return all(each.values or each.is_whole or each.step for each in space.values())


def size(space: Mapping[str, Range]) -> int:
    """Number of combinations."""
    return prod(_count(each) for each in space.values())


def point(space: Mapping[str, Range], number: int) -> dict[str, Scalar]:
    """Combination `number`: the last hyper-parameter changes first."""
    found: dict[str, Scalar] = {}
    for name, each in reversed([*space.items()]):
        number, place = divmod(number, _count(each))
        found[name] = _value(each, place)
    return {name: found[name] for name in space}


def place(space: Mapping[str, Range], values: Mapping[str, Scalar]) -> int:
    """The number of a combination."""
    number = 0
    for name, each in space.items():
        number = number * _count(each) + _place(each, values[name])
    return number


def _count(each: Range) -> int:
    return len(each.values) or floor((each.high - each.low) / (each.step or 1.0) + _SLACK) + 1


def _value(each: Range, place: int) -> Scalar:
    if each.values:
        return each.values[place]
    value = each.low + place * (each.step or 1.0)
    return round(value) if each.is_whole else round(value, 12)


def _place(each: Range, value: Scalar) -> int:
    if each.values:
        return each.values.index(value)
    return min(round((float(value) - each.low) / (each.step or 1.0)), _count(each) - 1)
