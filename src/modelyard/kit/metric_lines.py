"""Metrics of a running job, as lines of its output: any process that can print can report. Standard library only."""

import json
import math
import sys

PREFIX = "metric "
"""A line of output that starts so carries one value as JSON."""


def log_metric(name: str, value: float, step: int = 0) -> None:
    """Report a value of a metric while the job runs; outside of a job it only prints a line.

    A value that is no finite number cannot be kept: it is printed in words.
    """
    number = float(value)
    told = json.dumps({"name": name, "value": number, "step": int(step)})
    line = f"{PREFIX}{told}" if math.isfinite(number) else f"{name} is {number} at step {int(step)}"
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
