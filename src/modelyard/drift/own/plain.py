"""Samples as CSV, for detectors that are no Python program and know nothing of sketches."""

import csv
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.drift.samples import MISSING
from modelyard.drift.sketches import CategorySketch, Sketch

OTHER = "(other)"
"""Stands for a category that the reference data do not have among their most frequent."""


def sample_csv(sketches: Mapping[str, Sketch], columns: Mapping[str, NDArray[Any]]) -> str:
    """The rows of a sample under the names of their columns; what is missing is empty.

    Args:
        sketches: of the reference, by column: the names of its categories in their order.
        columns: of the sample, aligned over its rows, as `RowSample.columns`.
    """
    texts = [_texts(sketches[name], values) for name, values in columns.items()]
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*texts, strict=True))
    return target.getvalue()


def _texts(sketch: Sketch, values: NDArray[Any]) -> list[str]:
    if not isinstance(sketch, CategorySketch):
        return ["" if np.isnan(value) else repr(float(value)) for value in values]
    names = [*sketch.counts]
    return [names[code] if code < len(names) else ("" if code == MISSING else OTHER) for code in values.tolist()]
