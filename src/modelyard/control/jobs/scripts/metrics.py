"""Metrics that people read out of a job's output with patterns of their own.

A pattern of a stranger's must not be able to hold up the control plane: RE2 (through Arrow) takes time in proportion to
the text, whatever the pattern.
"""

import math
from collections.abc import Sequence
from datetime import datetime

from modelyard.control.jobs.errors import JobInvalidError
from modelyard.types.debugging.rules import NOT_FINITE
from modelyard.types.jobs import MetricPoint
from modelyard.types.scripting.recipes import MetricDefinition

UNCOUNTED = -1
"""Step of a value whose step is how many of its name came before it."""

_LONGEST_LINE = 10_000


def check_definitions(definitions: Sequence[MetricDefinition]) -> None:
    """Nothing if every pattern is one, and has a group for the value.

    Raises:
        JobInvalidError: one is not; the message has the reason.
    """
    for index, definition in enumerate(definitions):
        try:
            _matches(definition.regex, [""])
        except ValueError as error:
            raise JobInvalidError(
                f"The pattern of metric '{definition.name}' is not valid: {error}",
                hint="It takes the syntax of RE2 and a group around the value, like 'loss=([0-9.]+)'.",
                field=f"metrics.{index}.regex",
            ) from error


def metric_points(text: str, definitions: Sequence[MetricDefinition], at: datetime) -> list[MetricPoint]:
    """The values in some lines of output, in their order; their steps are UNCOUNTED.

    One that is NaN or infinite, which no metric can be, is told as `not_finite/<name>`.
    """
    lines = [line[:_LONGEST_LINE] for line in text.splitlines()]
    found = [
        (number, definition.name, value) if math.isfinite(value) else (number, f"{NOT_FINITE}/{definition.name}", 1.0)
        for definition in definitions
        for number, value in _matches(definition.regex, lines)
    ]
    return [MetricPoint(name=name, value=value, step=UNCOUNTED, at=at) for _, name, value in sorted(found)]


def _matches(regex: str, lines: list[str]) -> list[tuple[int, float]]:
    """Number of the line and value, wherever the first group of the pattern is a number.

    Raises:
        ValueError: the pattern is none, or has no group.
    """
    import pyarrow as pa  # noqa: PLC0415 - only for jobs that have such metrics
    import pyarrow.compute as pc  # noqa: PLC0415

    column = pa.array(lines, pa.string())
    whole = rf"(?s)\A.*?(?:{regex}).*\z"
    is_match = pc.match_substring_regex(column, whole).to_pylist()
    texts = pc.replace_substring_regex(column, whole, r"\1").to_pylist()
    values = [_number(text) if matches else None for matches, text in zip(is_match, texts, strict=True)]
    return [(number, value) for number, value in enumerate(values) if value is not None]


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
