"""What AWS's clients are told of a training job's state."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from modelyard.facades.aws.sagemaker.training.answers import secondary_status_of, status_of
from modelyard.types.contract.recipes import Phase, PhaseName
from modelyard.types.jobs import JobStatus

AT = datetime(2026, 1, 1, tzinfo=UTC)


def job(status: JobStatus, *phases: PhaseName):
    passed = tuple(Phase(name=name, started_at=AT) for name in phases)
    return SimpleNamespace(status=status, phases=passed, end=None, created_at=AT)


@pytest.mark.parametrize(
    ("present", "shown"),
    [
        (job(JobStatus.RUNNING, PhaseName.TRAINING), ("InProgress", "Training")),
        (job(JobStatus.STOPPING, PhaseName.TRAINING, PhaseName.STOPPING), ("Stopping", "Stopping")),
        (job(JobStatus.STOPPING, PhaseName.TRAINING), ("InProgress", "Training")),
        (job(JobStatus.STOPPING, PhaseName.TRAINING, PhaseName.INTERRUPTED), ("InProgress", "Interrupted")),
        (job(JobStatus.COMPLETED, PhaseName.TRAINING), ("Completed", "Completed")),
    ],
)
def test_only_a_job_that_somebody_stops_is_stopping(present, shown: tuple[str, str]):
    assert (status_of(present), secondary_status_of(present)) == shown
