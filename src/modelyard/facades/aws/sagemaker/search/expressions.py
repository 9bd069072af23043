"""Whether a record satisfies a search expression, and what it is sorted by. Pure.

Source: SageMaker API Reference, Search, SearchExpression, Filter, NestedFilters.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from modelyard.facades.aws.wire.errors import AwsError, validation_error

Record = Mapping[str, Any]
Comparison = Callable[[Any, str], bool]

_METRICS = "Metrics"
_MOST_TERMS = 50


def matches(record: Record, expression: Mapping[str, Any]) -> bool:
    """Whether the record satisfies the expression; an empty one is satisfied by all.

    Raises:
        AwsError: a value is not of its property's type, or an operator does not go with it.
    """
    parts = [
        *(_satisfies(record, each) for each in expression.get("Filters") or ()),
        *(_nested(record, each) for each in expression.get("NestedFilters") or ()),
        *(matches(record, each) for each in expression.get("SubExpressions") or ()),
    ]
    if not parts:
        return True
    return any(parts) if expression.get("Operator") == "Or" else all(parts)


def check(expression: Mapping[str, Any], properties: frozenset[str]) -> None:
    """Nothing if the expression asks about properties that such records may have, and not too often.

    Raises:
        AwsError: it does not.
    """
    terms = list(_terms(expression))
    if len(terms) > _MOST_TERMS:
        raise validation_error(f"A search expression may have {_MOST_TERMS} filters; this has {len(terms)}.")
    for each in terms:
        check_property(each["Name"], properties)


def check_property(name: str, properties: frozenset[str]) -> None:
    """Nothing if such records may have the property.

    Raises:
        AwsError: they never do.
    """
    first = name.partition(".")[0]
    if first not in properties and first != _METRICS:
        known = ", ".join(sorted(properties))
        raise validation_error(f"Unknown property name: {name}. Properties are {known}, and Metrics.")


def values_at(record: Any, path: str) -> list[Any]:
    """What stands at `A.B.C`: of lists, what each element has there; `Tags.team` and `Metrics.loss` by their names."""
    first, _, rest = path.partition(".")
    if first == "Tags" and rest:
        return [tag["Value"] for tag in record.get("Tags") or () if tag["Key"] == rest]
    if first == _METRICS and rest:
        return [each["Value"] for each in record.get("FinalMetricDataList") or () if each["MetricName"] == rest]
    if isinstance(record, list | tuple):
        return [value for each in record for value in values_at(each, path)]
    if not isinstance(record, Mapping) or record.get(first) is None:
        return [record[path]] if isinstance(record, Mapping) and path in record else []
    return values_at(record[first], rest) if rest else [record[first]]


def sort_key(record: Record, name: str) -> tuple[bool, Any]:
    """For an ascending order; records without the property come first."""
    values = values_at(record, name)
    value = values[0] if values else None
    if isinstance(value, bool) or not isinstance(value, int | float | datetime | str):
        return (value is not None, str(value))
    return (True, value)


def _terms(expression: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from expression.get("Filters") or ()
    for nested in expression.get("NestedFilters") or ():
        yield {"Name": nested["NestedPropertyName"]}
    for each in expression.get("SubExpressions") or ():
        yield from _terms(each)


def _nested(record: Record, nested: Mapping[str, Any]) -> bool:
    """Whether one element of a list satisfies all of the filters."""
    name = nested["NestedPropertyName"]
    found = values_at(record, name)
    elements = found[0] if found and isinstance(found[0], list | tuple) else found
    filters = [{**each, "Name": each["Name"].removeprefix(f"{name}.")} for each in nested["Filters"]]
    return any(all(_satisfies(element, each) for each in filters) for element in elements)


def _satisfies(record: Any, chosen: Mapping[str, Any]) -> bool:
    values = values_at(record, chosen["Name"])
    wanted = chosen.get("Value")
    operator = chosen.get("Operator") or ("Exists" if wanted is None else "Equals")
    if operator in ("Exists", "NotExists"):
        return bool(values) is (operator == "Exists")
    if wanted is None:
        raise validation_error(f"The filter on {chosen['Name']} needs a Value for the operator {operator}.")
    if operator == "NotEquals":
        return not any(_equals(value, wanted) for value in values)
    return any(_COMPARISONS[operator](value, wanted) for value in values)


def _equals(value: Any, wanted: str) -> bool:
    if isinstance(value, bool):
        return str(value).lower() == wanted.lower()
    return bool(value == _like(value, wanted))


def _ordered(operator: str, compare: Callable[[Any, Any], bool]) -> Comparison:
    def holds(value: Any, wanted: str) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float | datetime):
            raise _unfit(operator, "numbers and times")
        return compare(value, _like(value, wanted))

    return holds


def _text(operator: str, compare: Callable[[str, str], bool]) -> Comparison:
    def holds(value: Any, wanted: str) -> bool:
        if not isinstance(value, str):
            raise _unfit(operator, "texts")
        return compare(value, wanted)

    return holds


def _like(value: Any, wanted: str) -> Any:
    """A filter's value as the property's type."""
    try:
        if isinstance(value, int | float):
            return float(wanted)
        if isinstance(value, datetime):
            at = datetime.fromisoformat(wanted)
            return at if at.tzinfo else at.replace(tzinfo=UTC)
    except ValueError:
        raise validation_error(
            f"'{wanted[:100]}' is not a value for this property: write a number, or a time like 2026-01-31T23:59:59."
        ) from None
    return wanted


def _unfit(operator: str, types: str) -> AwsError:
    return validation_error(f"The operator {operator} is for {types} only.")


_COMPARISONS: Mapping[str, Comparison] = {
    "Equals": _equals,
    "GreaterThan": _ordered("GreaterThan", lambda value, wanted: bool(value > wanted)),
    "GreaterThanOrEqualTo": _ordered("GreaterThanOrEqualTo", lambda value, wanted: bool(value >= wanted)),
    "LessThan": _ordered("LessThan", lambda value, wanted: bool(value < wanted)),
    "LessThanOrEqualTo": _ordered("LessThanOrEqualTo", lambda value, wanted: bool(value <= wanted)),
    "Contains": _text("Contains", lambda value, wanted: wanted in value),
    "In": _text("In", lambda value, wanted: value in [each.strip() for each in wanted.split(",")]),
}
