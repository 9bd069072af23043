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
