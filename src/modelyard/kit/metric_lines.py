"""Metrics of a running job, as lines of its output: any process that can print can report. Standard library only."""

import json
import math
import sys
from collections.abc import Mapping

from modelyard.types.debugging.rules import NOT_FINITE

PREFIX = "metric "
"""A line of output that starts so carries one value as JSON."""


def log_metric(name: str, value: float, step: int = 0) -> None:
    """Report a value of a metric while the job runs; outside of a job it only prints a line.

    A value that is no finite number cannot be kept: it is printed in words, and `not_finite/<name>` is 1 at that step.
    """
    number = float(value)
    if math.isfinite(number):
        lines = metric_line(name, number, step)
    else:
        lines = f"{name} is {number} at step {int(step)}\n{metric_line(f'{NOT_FINITE}/{name}', 1.0, step)}"
    sys.stdout.write(lines)
    sys.stdout.flush()


def write_metrics(figures: Mapping[str, float], step: int) -> None:
    """Report several values at once; those that are no finite numbers are left out."""
    lines = [metric_line(name, float(value), step) for name, value in figures.items() if math.isfinite(value)]
    sys.stdout.write("".join(lines))
    sys.stdout.flush()


def metric_line(name: str, value: float, step: int) -> str:
    """A finite value as a line of output."""
    return f"{PREFIX}{json.dumps({'name': name, 'value': value, 'step': int(step)})}\n"
