"""Statistics of arrays that somebody has at hand, and of labels."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from modelyard.kit.metric_lines import write_metrics
from modelyard.types.debugging.rules import CLASS_ROWS, DEAD_SHARE, GRADIENT_NORM, NOT_FINITE, WEIGHT_NORM, ZERO_SHARE

_IMAGES = 4
_MOST_CLASSES = 20


def log_tensors(
    step: int,
    *,
    gradients: Mapping[str, Any] | None = None,
    weights: Mapping[str, Any] | None = None,
    activations: Mapping[str, Any] | None = None,
) -> None:
    """Log statistics of NumPy arrays, by layer: what `watch` does for PyTorch, for every other library.

    Args:
        step: of the training.
        gradients: of the loss by a layer's weights.
        weights: of a layer.
        activations: what a layer answered to a batch: (rows, units), or (rows, channels, height, width).
    """
    figures: dict[str, float] = {}
    norms: list[float] = []
    for layer, array in (gradients or {}).items():
        norms.append(_add_norm(figures, GRADIENT_NORM, "gradients", layer, array))
    for layer, array in (weights or {}).items():
        _add_norm(figures, WEIGHT_NORM, "weights", layer, array)
    for layer, array in (activations or {}).items():
        _add_shares(figures, layer, array)
    if norms:
        figures[GRADIENT_NORM] = math.hypot(*norms)
    write_metrics(figures, step)


def log_classes(labels: Iterable[object]) -> None:
    """Log how many training rows each class has, for the rule `class_imbalance`; the smallest and largest of many."""
    counts = Counter(str(label) for label in labels).most_common()
    shown = counts if len(counts) <= _MOST_CLASSES else counts[: _MOST_CLASSES // 2] + counts[-_MOST_CLASSES // 2 :]
    figures = {f"{CLASS_ROWS}/{name}": float(rows) for name, rows in shown}
    write_metrics({**figures, CLASS_ROWS: float(sum(rows for _, rows in counts))}, 0)


def _add_norm(figures: dict[str, float], figure: str, what: str, layer: str, array: Any) -> float:
    """The norm of an array, or how many of its values are none; both are cheap beside one step of a training."""
    import numpy as np  # noqa: PLC0415 - a job's own environment may be without it

    values = np.asarray(array, dtype=np.float64).ravel()
    wrong = int(values.size - np.isfinite(values).sum())
    if wrong:
        figures[f"{NOT_FINITE}/{what}/{layer}"] = wrong
        return math.inf
    norm = float(np.linalg.norm(values))
    figures[f"{figure}/{layer}"] = norm
    return norm


def _add_shares(figures: dict[str, float], layer: str, array: Any) -> None:
    import numpy as np  # noqa: PLC0415

    values = np.asarray(array)
    wrong = int(values.size - np.isfinite(values).sum())
    if wrong:
        figures[f"{NOT_FINITE}/activations/{layer}"] = wrong
    is_zero = values == 0
    figures[f"{ZERO_SHARE}/{layer}"] = float(is_zero.mean())
    if is_zero.ndim > 1:
        axis = 1 if is_zero.ndim >= _IMAGES else is_zero.ndim - 1
        others = tuple(each for each in range(is_zero.ndim) if each != axis)
        figures[f"{DEAD_SHARE}/{layer}"] = float(is_zero.all(axis=others).mean())
