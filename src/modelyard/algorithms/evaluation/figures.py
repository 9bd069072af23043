"""Metrics as flat figures: "accuracy", "accuracy/low", "accuracy/high", "accuracy/n"."""

from collections.abc import Iterable

from modelyard.types.models import Metric


def metric_figures(metrics: Iterable[Metric], prefix: str = "") -> dict[str, float]:
    """Every metric's value, interval and number of rows under its name, after `prefix`."""
    figures: dict[str, float] = {}
    for metric in metrics:
        figures[f"{prefix}{metric.name}"] = metric.value
        parts = {"low": metric.low, "high": metric.high, "n": metric.n}
        figures.update({f"{prefix}{metric.name}/{part}": float(v) for part, v in parts.items() if v is not None})
    return figures
