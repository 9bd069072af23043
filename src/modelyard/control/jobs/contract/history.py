"""What a job of the contract was busy with, which AWS calls its secondary status, and why its program failed."""

from dataclasses import replace
from datetime import datetime

from modelyard.kit.metric_lines import PREFIX
from modelyard.types.contract.recipes import Phase, PhaseName
from modelyard.types.jobs import Job
from modelyard.types.processes import EndCause, ProcessEnd

_LONGEST = 1024
_LAST_LINES = 12
_CLIENTS = "ClientError: "


def entered(job: Job, name: PhaseName, at: datetime) -> Job:
    """The job, now busy with something else; other kinds of jobs have no such history."""
    if job.recipe.contract is None or (job.phases and job.phases[-1].name is name):
        return job
    return replace(job, phases=(*job.phases, Phase(name=name, started_at=at)))


def failure_reason(told: str, end: ProcessEnd) -> str:
    """What the program wrote to /opt/ml/output/failure, or the last lines of its output, with its exit code."""
    if end.cause is not EndCause.EXIT or not end.exit_code:
        return end.message
    reason = told or last_lines(end.log_tail)
    ending = f", exit code: {end.exit_code}"
    is_clients = reason.startswith(_CLIENTS)  # as AWS's own algorithms say it: it is not theirs
    return (reason if is_clients else f"AlgorithmError: {reason}")[: _LONGEST - len(ending)] + ending


def last_lines(output: str) -> str:
    """The end of the output: from the last traceback on, if there is one in sight."""
    lines = [line.rstrip() for line in output.splitlines() if line.strip() and not line.startswith(PREFIX)]
    start = max((number for number, line in enumerate(lines) if "Traceback (most recent call last)" in line), default=0)
    return "\n".join(lines[max(start, len(lines) - _LAST_LINES) :])
