"""Types of values: which value is of which, and which may stand where another is wanted."""

from collections.abc import Mapping

from modelyard.types.pipelines.definitions import ValueType

_CLASSES: Mapping[ValueType, tuple[type, ...]] = {
    ValueType.TEXT: (str,),
    ValueType.DATASET: (str,),
    ValueType.MODEL: (str,),
    ValueType.INTEGER: (int,),
    ValueType.NUMBER: (int, float),
    ValueType.BOOLEAN: (bool,),
    ValueType.LIST: (list, tuple),
    ValueType.MAPPING: (Mapping,),
    ValueType.FIGURES: (Mapping,),
}
_ALSO: Mapping[ValueType, tuple[ValueType, ...]] = {
    ValueType.TEXT: (ValueType.DATASET, ValueType.MODEL),
    ValueType.NUMBER: (ValueType.INTEGER,),
    ValueType.MAPPING: (ValueType.FIGURES, ValueType.DATASETS),
}
"""A place for the first takes the others too."""


def fits(given: ValueType, wanted: ValueType) -> bool:
    """Whether a value of the first type may stand where the second is wanted; ANY is found out when it is there."""
    return ValueType.ANY in (given, wanted) or given is wanted or given in _ALSO.get(wanted, ())


def is_of(value: object, type: ValueType) -> bool:
    """Whether a plain value is of a type. Truth values are no numbers."""
    if type is ValueType.ANY:
        return True
    if type is ValueType.DATASETS:
        return isinstance(value, Mapping) and all(isinstance(each, str) for each in value.values())
    if isinstance(value, bool):
        return type is ValueType.BOOLEAN
    return isinstance(value, _CLASSES[type])


def part_of(type: ValueType) -> ValueType | None:
    """What a part of a value is; None: it has none."""
    parts = {
        ValueType.FIGURES: ValueType.NUMBER,
        ValueType.DATASETS: ValueType.DATASET,
        ValueType.MAPPING: ValueType.ANY,
        ValueType.ANY: ValueType.ANY,
    }
    return parts.get(type)


def with_article(type: ValueType) -> str:
    """As a sentence has it."""
    if type in (ValueType.DATASETS, ValueType.FIGURES, ValueType.TEXT):
        return type.value
    return f"{'an' if type.value[0] in 'aeiou' else 'a'} {type.value}"
