"""What an engine runs and what it says about it."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class ProcessStatus(StrEnum):
    """STARTING until the command was executed, RUNNING while it is proven alive, ENDED ever after."""

    STARTING = "STARTING"
    RUNNING = "RUNNING"
    ENDED = "ENDED"


class EndCause(StrEnum):
    """Why a process ended. LOST: it is gone and left no account of its end (its host or supervisor was killed)."""

    EXIT = "EXIT"
    SIGNAL = "SIGNAL"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    TIMEOUT = "TIMEOUT"
    DISK_LIMIT = "DISK_LIMIT"
    STOPPED = "STOPPED"
    PREEMPTED = "PREEMPTED"
    LOST = "LOST"
    START_FAILED = "START_FAILED"


class SandboxLevel(StrEnum):
    """How well a process is fenced in, strongest first. The level in force is shown in every process record."""

    BUBBLEWRAP = "bubblewrap"
    LANDLOCK = "landlock"
    RLIMITS = "rlimits"


class Placement(StrEnum):
    """Which of several machines that could run a process gets it.

    ANY is the engine's choice. PACK prefers machines that have work already, until half of what they have is used.
    SPREAD takes one after the other, so that the end of one takes as little as possible with it.
    """

    ANY = "ANY"
    PACK = "PACK"
    SPREAD = "SPREAD"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """Limits of one process tree, and what the machine that runs it must have. None: no limit but the machine's.

    Attributes:
        cpus: cores.
        memory_bytes: memory of all its processes together; beyond it the process is ended.
        disk_bytes: size of its working folder; beyond it the process is ended.
        time_limit_seconds: time after which it is ended.
        max_processes: processes and threads that it may have at the same time.
        gpus: accelerators that it has for itself; it sees them as CUDA_VISIBLE_DEVICES.
        node_labels: labels that its machine must carry; only a cluster has several machines to choose from.
        placement: which of the machines that could run it.
    """

    cpus: float | None = None
    memory_bytes: int | None = None
    disk_bytes: int | None = None
    time_limit_seconds: float | None = None
    max_processes: int = 256
    gpus: int = 0
    node_labels: dict[str, str] = field(default_factory=dict, hash=False)
    placement: Placement = Placement.ANY


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A host path that the process may see, at the same path inside; read-only unless said otherwise."""

    path: str
    is_writable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSpec:
    """Everything an engine needs to run one sandboxed command.

    Attributes:
        command: program and arguments, no shell.
        environment: the whole environment of the process; nothing is inherited but PATH, LANG and the like.
        work_directory: existing folder, writable by the process; its current directory and HOME.
        mounts: further paths it may see. The Python installation and this package are always visible, read-only.
        resources: limits.
        has_network: off unless asked for.
        has_loopback: its processes may speak with each other over a loopback of their own, though there is no network;
            needs the level `bubblewrap`.
        door: Unix socket in the work directory on which it takes connections handed to it (`kit.handover`). An engine
            of several machines opens a TCP port on the process's machine for it and gives `ProcessState.address`.
        labels: free key/value pairs that `list` can be filtered by ("job": "job-1", "replica": ...).
    """

    command: tuple[str, ...]
    work_directory: str
    environment: dict[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    resources: Resources = field(default_factory=Resources)
    has_network: bool = False
    has_loopback: bool = False
    door: str = ""
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessEnd:
    """The account of an end: cause, code or signal, a sentence, the last lines of output and what it used."""

    cause: EndCause
    message: str
    exit_code: int | None = None
    signal: int | None = None
    log_tail: str = ""
    cpu_seconds: float | None = None
    max_rss_bytes: int | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessState:
    """An engine's answer about one process. `end` is set exactly when status is ENDED.

    Attributes:
        node: the machine that runs it, on an engine of several; empty on one of one machine, or while it waits.
        address: key@host:port that leads to its `ProcessSpec.door`; empty if there is none, or not yet.
        clock_ahead_seconds: by how much CLOCK_MONOTONIC of its machine is ahead of this one's.
    """

    id: str
    status: ProcessStatus
    sandbox: SandboxLevel | None = None
    labels: dict[str, str] = field(default_factory=dict)
    pid: int | None = None
    started_at: datetime | None = None
    end: ProcessEnd | None = None
    node: str = ""
    address: str = ""
    clock_ahead_seconds: float = 0.0

    @property
    def is_alive(self) -> bool:
        """True unless it ended."""
        return self.status is not ProcessStatus.ENDED


@dataclass(frozen=True, slots=True, kw_only=True)
class LogChunk:
    """Output (stdout and stderr together) from byte `offset`; ask again from `next_offset`."""

    text: str
    next_offset: int
