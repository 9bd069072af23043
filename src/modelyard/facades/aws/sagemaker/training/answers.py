"""A job of ours as DescribeTrainingJob and ListTrainingJobs show it."""

from datetime import datetime
from typing import Any

from modelyard.control.jobs.contract.results import MODEL_ARTIFACTS
from modelyard.types.contract.recipes import ContractRecipe, Phase, PhaseName
from modelyard.types.foreign.documents import Document
from modelyard.types.jobs import Job, JobStatus
from modelyard.types.processes import EndCause

_ECHOED = (
    "HyperParameters",
    "AlgorithmSpecification",
    "RoleArn",
    "InputDataConfig",
    "OutputDataConfig",
    "ResourceConfig",
    "VpcConfig",
    "StoppingCondition",
    "EnableNetworkIsolation",
    "EnableInterContainerTrafficEncryption",
    "EnableManagedSpotTraining",
    "CheckpointConfig",
    "DebugHookConfig",
    "DebugRuleConfigurations",
    "ExperimentConfig",
    "TensorBoardOutputConfig",
    "ProfilerConfig",
    "ProfilerRuleConfigurations",
    "RemoteDebugConfig",
    "Environment",
    "RetryStrategy",
)
_STATUS = {
    JobStatus.STOPPING: "Stopping",
    JobStatus.COMPLETED: "Completed",
    JobStatus.FAILED: "Failed",
    JobStatus.STOPPED: "Stopped",
}
_MESSAGES = {
    PhaseName.STARTING: "Preparing the instances for training",
    PhaseName.DOWNLOADING: "Downloading input data",
    PhaseName.TRAINING: "Training image download completed. Training in progress.",
    PhaseName.UPLOADING: "Uploading generated training model",
    PhaseName.INTERRUPTED: "Training job interrupted: it made room for others and is started again",
    PhaseName.STOPPING: "Stopping the training job",
}
_ENDINGS = {
    "Completed": "Training job completed",
    "Failed": "Training job failed",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds",
    "MaxWaitTimeExceeded": "Training job did not start in time",
}


def status_of(job: Job) -> str:
    """InProgress, Stopping, Completed, Failed or Stopped.

    A job whose process has ended without anybody having asked for it is in progress until its end is recorded: it may
    have completed, or made room and be started again.
    """
    is_asked = job.status is not JobStatus.STOPPING or _phases(job)[-1].name is PhaseName.STOPPING
    return _STATUS.get(job.status, "InProgress") if is_asked else "InProgress"


def secondary_status_of(job: Job) -> str:
    """What it is busy with, or how it ended."""
    if job.status is JobStatus.STOPPED and job.end is not None and job.end.cause is EndCause.TIMEOUT:
        return "MaxRuntimeExceeded"
    if job.end is not None and job.end.cause is EndCause.EXPIRED:
        return "MaxWaitTimeExceeded"
    return status_of(job) if job.status.is_final else _phases(job)[-1].name.value


def described(job: Job, document: Document, arn: str) -> dict[str, Any]:
    """DescribeTrainingJob's answer; what is not known yet is None."""
    request, recipe = document.content["request"], job.recipe.contract
    if recipe is None:
        raise LookupError(job.id)  # documents of training jobs name jobs of the contract only
    seconds = _seconds(job)
    return {
        **{name: request[name] for name in _ECHOED if request.get(name) not in (None, {}, [])},
        "TrainingJobName": document.name,
        "TrainingJobArn": arn,
        "ModelArtifacts": {"S3ModelArtifacts": job.result.get(MODEL_ARTIFACTS) or _expected(recipe)},
        "TrainingJobStatus": status_of(job),
        "SecondaryStatus": secondary_status_of(job),
        "FailureReason": failure_reason(job),
        "CreationTime": job.created_at,
        "TrainingStartTime": job.started_at,
        "TrainingEndTime": job.ended_at,
        "LastModifiedTime": job.ended_at or _phases(job)[-1].started_at,
        "SecondaryStatusTransitions": transitions(job),
        "FinalMetricDataList": _metrics(job),
        "TrainingTimeInSeconds": seconds,
        "BillableTimeInSeconds": seconds,
    }


def summary(job: Job, document: Document, arn: str) -> dict[str, Any]:
    """One line of ListTrainingJobs."""
    return {
        "TrainingJobName": document.name,
        "TrainingJobArn": arn,
        "CreationTime": job.created_at,
        "TrainingEndTime": job.ended_at,
        "LastModifiedTime": job.ended_at or _phases(job)[-1].started_at,
        "TrainingJobStatus": status_of(job),
        "SecondaryStatus": secondary_status_of(job),
    }


def transitions(job: Job) -> list[dict[str, Any]]:
    """Everything that it was busy with, and its end."""
    phases = _phases(job)
    ends: list[datetime | None] = [*(phase.started_at for phase in phases[1:]), job.ended_at]
    found: list[dict[str, Any]] = [
        {
            "Status": phase.name.value,
            "StartTime": phase.started_at,
            "EndTime": end,
            "StatusMessage": _MESSAGES[phase.name],
        }
        for phase, end in zip(phases, ends, strict=True)
    ]
    if job.status.is_final:
        status = secondary_status_of(job)
        told = _ENDINGS[status] if job.status is not JobStatus.FAILED else failure_reason(job)
        found.append({"Status": status, "StartTime": job.ended_at, "EndTime": job.ended_at, "StatusMessage": told})
    return found


def failure_reason(job: Job) -> str | None:
    """Whose fault it was and what happened."""
    if job.status is not JobStatus.FAILED or job.end is None:
        return None
    is_ours = job.end.cause is EndCause.START_FAILED
    return f"ClientError: {job.end.message}"[:1024] if is_ours else job.end.message[:1024]


def _phases(job: Job) -> tuple[Phase, ...]:
    return (Phase(name=PhaseName.STARTING, started_at=job.created_at), *job.phases)


def _expected(recipe: ContractRecipe) -> str:
    """Where the model will be."""
    name = "model.tar.gz" if recipe.is_output_compressed else "model/"
    return f"{recipe.output_uri.rstrip('/')}/{recipe.name}/output/{name}"


def _metrics(job: Job) -> list[dict[str, Any]] | None:
    at = job.ended_at or job.started_at
    found: list[dict[str, Any]] = [
        {"MetricName": name, "Value": value, "Timestamp": at} for name, value in sorted(job.metrics.items())
    ]
    return found or None


def _seconds(job: Job) -> int | None:
    """Time of training; a job that has begun has trained for a second at least."""
    if job.started_at is None or job.ended_at is None:
        return None
    return max(1, round((job.ended_at - job.started_at).total_seconds()))
