"""What became of trials: their figures, what they say of another search, and an account in sentences."""

from collections.abc import Sequence
from dataclasses import replace

from modelyard.control.tuning.checking import SECONDS
from modelyard.control.tuning.strategies import ranking
from modelyard.types.jobs import Job, JobStatus
from modelyard.types.tuning.jobs import Trial, TrialStatus
from modelyard.types.tuning.searches import Search


def settled(search: Search, trial: Trial, job: Job) -> Trial:
    """A trial whose job has ended."""
    ended = replace(trial, job=job.id, ended_at=job.ended_at, values=_seconds(job))
    if job.status is JobStatus.STOPPED:
        if trial.is_ending:
            return replace(ended, status=TrialStatus.ENDED_EARLY)
        return replace(ended, status=TrialStatus.STOPPED, message="Its job was stopped.")
    if job.status is JobStatus.FAILED:
        return replace(ended, status=TrialStatus.FAILED, message=job.end.message if job.end else "")
    values = dict(job.metrics) if job.recipe.script is not None else {}  # the last value of each that it logged
    values |= {name: float(value) for name, value in job.result.items() if isinstance(value, int | float)}
    values |= _seconds(job)
    missing = [each.metric for each in search.objectives if each.metric not in values]
    if missing:
        return replace(ended, status=TrialStatus.FAILED, message=f"Its job has no figure '{missing[0]}'.")
    return replace(
        ended,
        status=TrialStatus.COMPLETED,
        values=values,
        is_feasible=ranking.is_feasible(search, values),
        message="",
        is_ending=False,
    )


def _seconds(job: Job) -> dict[str, float]:
    """How long its process ran."""
    if job.started_at is None or job.ended_at is None:
        return {}
    return {SECONDS: (job.ended_at - job.started_at).total_seconds()}


def counts(search: Search, trial: Trial) -> bool:
    """Whether a trial of another search says something of this one: the same names, values that are allowed here."""
    if trial.status is not TrialStatus.COMPLETED or trial.hyperparameters.keys() != search.space.keys():
        return False
    objectives, constraints = search.objectives, search.constraints
    if not {*(each.metric for each in objectives), *(each.metric for each in constraints)} <= trial.values.keys():
        return False
    for name, each in search.space.items():
        value = trial.hyperparameters[name]
        if each.values and value not in each.values:
            return False
        if not each.values and (isinstance(value, str) or not each.low <= value <= each.high):
            return False
    return True


def account(search: Search, trials: Sequence[Trial]) -> str:
    """What became of the trials, in a sentence or two."""
    statuses = [trial.status for trial in trials]
    told = (
        (TrialStatus.COMPLETED, "completed"),
        (TrialStatus.ENDED_EARLY, "ended early"),
        (TrialStatus.FAILED, "failed"),
        (TrialStatus.STOPPED, "stopped"),
    )
    parts = [f"{statuses.count(status)} {word}" for status, word in told if status in statuses]
    sentences = [f"{len(trials)} trials: {', '.join(parts)}."]
    failed = [trial for trial in trials if trial.status is TrialStatus.FAILED]
    if failed:
        sentences.append(f"Trial {failed[-1].number}: {failed[-1].message}")
    rule = search.early_stopping
    if rule is not None and not any(trial.curve for trial in trials):
        sentences.append(f"None could be ended early, for none logged a figure '{rule.metric}'.")
    return " ".join(sentences)


def why_nothing(trials: Sequence[Trial]) -> str:
    """Why there is no best one."""
    failed = [trial for trial in trials if trial.status is TrialStatus.FAILED]
    if failed:
        return f"No trial completed. Trial {failed[-1].number}: {failed[-1].message}"
    if any(trial.status is TrialStatus.COMPLETED for trial in trials):
        return "No trial kept all constraints."
    return "No trial completed in time."
