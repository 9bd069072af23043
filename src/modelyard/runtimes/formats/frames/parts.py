"""What the fitted transformers of a pipeline tell of the columns that they take."""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from modelyard.runtimes.base import Tensor

_NEAR_MEAN = np.linspace(-3.0, 3.0, 61)
_ANYTHING = np.concatenate([_NEAR_MEAN, np.arange(5.0), [10.0, 100.0, -100.0, 1000.0]])


class Part(NamedTuple):
    """A transformer, alone or a pipeline, over some columns. `takes_one_text`: a vector, as vectorisers do."""

    transformer: Any
    takes_one_text: bool = False


def is_text(part: Part, position: int) -> bool:
    """True if the column at that position of the part's block holds texts.

    The first step that remembers values of the column knows it; a column of which nothing is remembered is a number.
    """
    if part.takes_one_text:
        return True
    for step in _steps(part.transformer):
        values = _remembered(step, position)
        if values is not None:
            return any(isinstance(value, str) for value in values)
    return False


def missing_marker(part: Part, position: int) -> Any:
    """What stands for a missing text in the column: whatever the transformer was fitted on, NaN if none was there."""
    if part.takes_one_text:
        return ""
    for step in _steps(part.transformer):
        if hasattr(step, "statistics_") and (step.missing_values is None or isinstance(step.missing_values, str)):
            return step.missing_values
        values = _remembered(step, position)
        for marker in (None, ""):
            if values is not None and any(value is None if marker is None else value == "" for value in values):
                return marker
    return np.nan


def known_values(part: Part, position: int, width: int) -> Tensor:
    """Values of a column that has such a transformer: those that it remembers, else numbers near their mean."""
    if part.takes_one_text:
        words = [word for step in _steps(part.transformer) for word in list(getattr(step, "vocabulary_", ()))[:50]]
        return np.array(words or ["text"], dtype=object)
    values: list[Any] = []
    near: Tensor = _ANYTHING
    for step in _steps(part.transformer):
        values += [value for value in _remembered(step, position) or () if not _is_missing(value) and value != ""]
        mean: Any = getattr(step, "mean_", None)
        scale: Any = getattr(step, "scale_", None)
        if np.shape(mean) == np.shape(scale) == (width,):
            near = mean[position] + scale[position] * _NEAR_MEAN
    if any(isinstance(value, str) for value in values):
        return np.array([str(value) for value in values if isinstance(value, str)], dtype=object)
    return np.array(values, dtype=np.float64) if len(values) > 1 else near


def without_markers(transformer: Any) -> None:
    """Let the empty text be what is missing, in place: ONNX has neither None nor NaN among its texts."""
    for step in _steps(transformer):
        statistics = getattr(step, "statistics_", None)
        if statistics is not None and any(isinstance(value, str) for value in statistics):
            step.missing_values = ""
        for values in getattr(step, "categories_", ()):
            if values.dtype.kind == "O":
                values[[_is_missing(value) for value in values]] = ""
        if getattr(step, "unknown_value", None) is not None:
            step.unknown_value = float(step.unknown_value)  # so that codes are floats, and may be NaN


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _steps(transformer: Any) -> Iterator[Any]:
    if hasattr(transformer, "steps"):
        for _, step in transformer.steps:
            yield from _steps(step)
    else:
        yield transformer


def _remembered(step: Any, position: int) -> list[Any] | None:
    """Values of a column that a step was fitted on; None if it does not say."""
    for attribute in ("categories_", "statistics_"):
        found = getattr(step, attribute, None)
        if found is not None and position < len(found):
            return list(np.atleast_1d(found[position]))
    return None
