"""What a job's processes use, second by second."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSample:
    """One look at a process tree; sums count from its start.

    Attributes:
        at: seconds since 1970.
        cpu_seconds: processor time.
        waiting_seconds: time in which its threads could have run and other work had the processors.
        blocked_tasks: threads that waited for a disk at this moment.
        memory_bytes: resident memory that no file backs.
        read_bytes: through read calls: files, pipes, sockets.
        written_bytes: through write calls.
    """

    at: float
    cpu_seconds: float
    waiting_seconds: float
    blocked_tasks: int
    memory_bytes: int
    read_bytes: int
    written_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfilePoint:
    """A stretch of time, as rates.

    Attributes:
        seconds: at its end, since the job's process began.
        cpus: cores that were busy for it.
        waiting_cpus: cores that it could have used and did not get.
        blocked_tasks: threads that waited for a disk, on average.
        memory_bytes: the most that it held.
        steps_per_second: of its training, as far as its live figures say; None: they say nothing.
    """

    seconds: float
    cpus: float
    waiting_cpus: float
    blocked_tasks: float
    memory_bytes: int
    read_bytes_per_second: float
    written_bytes_per_second: float
    steps_per_second: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What a job's present or last attempt used.

    Attributes:
        cpus: cores that it may use.
        memory_limit_bytes: memory that it may use; None: no limit.
        step_metric: the live figure whose steps are counted; empty: it logs none.
        step_seconds: how long a step took on average.
        verdicts: what limits it, in sentences.
    """

    job: str
    attempt: int
    cpus: float
    memory_limit_bytes: int | None
    seconds: float
    cpu_seconds: float
    max_memory_bytes: int
    read_bytes: int
    written_bytes: int
    step_metric: str
    step_seconds: float | None
    points: tuple[ProfilePoint, ...]
    verdicts: tuple[str, ...]
