"""For whom a job's process works."""

from collections.abc import Sequence

from modelyard.control.metering.records import Subject
from modelyard.types.processes import ProcessState


def job_subjects(state: ProcessState) -> Sequence[Subject]:
    """The job that the process's labels name; nobody for one that is no job's."""
    labels = state.labels
    if "job" not in labels:
        return []
    return [
        Subject(
            project=labels.get("project", ""),
            kind="job",
            name=labels["job"],
            version=labels.get("model", ""),
            is_spot=bool(labels.get("spot")),
            gpus=float(labels.get("gpus") or 0),
        )
    ]
