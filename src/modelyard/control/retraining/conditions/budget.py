"""What the runs of the last seven days have used."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from modelyard.types.monitoring import RetrainingRun
from modelyard.types.retraining.rules import BudgetRules

WEEK = timedelta(days=7)
SECONDS_SUFFIX = "_job_seconds"
"""Figures of a run that end so are times of its jobs."""


def exhausted(budget: BudgetRules, runs: Sequence[RetrainingRun]) -> str:
    """Which budget the runs of the last seven days, newest first, have used up and when it is free; empty if none."""
    limit = budget.runs_per_week
    if limit is not None and len(runs) >= limit:
        free = runs[limit - 1].started_at + WEEK if limit else None
        unit = "run" if limit == 1 else "runs"
        return f"its budget of {limit} {unit} a week is used up{_until(free)}"
    seconds = budget.job_seconds_per_week
    if seconds is None:
        return ""
    left, free = seconds, None
    for run in runs:
        left -= sum(value for name, value in run.figures.items() if name.endswith(SECONDS_SUFFIX))
        if left <= 0:
            free = run.started_at + WEEK
            return f"its budget of {seconds:g} job seconds a week is used up{_until(free)}"
    return ""


def _until(moment: datetime | None) -> str:
    return f" until {moment:%Y-%m-%d %H:%M} UTC" if moment is not None else ""
