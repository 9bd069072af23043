"""What the tracking server of experiments is doing."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class TrackingStatus(StrEnum):
    """OFF: switched off by a setting. MISSING: the extra `mlflow` is not installed. STOPPED: nobody has asked for it.

    STARTING: its process lives and does not answer yet. RUNNING: it was proven to answer. FAILED: it cannot be started.
    """

    OFF = "off"
    MISSING = "missing"
    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackingServerState:
    """How the tracking server stands, as looked at just now.

    Attributes:
        status: see TrackingStatus.
        message: a sentence.
        pid: of its process, if it has one.
        started_at: when that process was started.
        start_seconds: how long it took until it answered.
        memory_bytes: proportional set size of its process.
        restarts: how often it was started again because its process had died.
    """

    status: TrackingStatus
    message: str
    pid: int | None = None
    started_at: datetime | None = None
    start_seconds: float | None = None
    memory_bytes: int | None = None
    restarts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """An experiment of MLflow's: runs that belong together."""

    id: str
    name: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run of MLflow's, with the newest value of each metric. Jobs of the platform are runs too."""

    id: str
    name: str
    status: str
    started_at: datetime | None
    ended_at: datetime | None
    metrics: dict[str, float]
    params: dict[str, str]
    tags: dict[str, str]

    @property
    def job(self) -> str | None:
        """Id of the job."""
        return self.tags.get("modelyard.job")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRun:
    """What MLflow has been told of an attempt of a job.

    Attributes:
        job: its id.
        attempt: which one.
        run: id of the run in MLflow.
        sequence: of the last metric point.
        is_done: all was told, for good.
    """

    job: str
    attempt: int
    run: str
    sequence: int = 0
    is_done: bool = False
