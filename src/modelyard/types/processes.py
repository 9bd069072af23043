"""What an engine runs and what it says about it."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from modelyard.types.compute.gangs import Membership
from modelyard.types.compute.nodes import NodeWish


class ProcessStatus(StrEnum):
    """STARTING until the command was executed, RUNNING while it is proven alive, ENDED ever after."""

    STARTING = "STARTING"
    RUNNING = "RUNNING"
    ENDED = "ENDED"


class EndCause(StrEnum):
    """Why a process ended. LOST: it is gone and left no account of its end (its host or supervisor was killed).

    EXPIRED: it never began, because there was no capacity for it in time.
    """

    EXIT = "EXIT"
    SIGNAL = "SIGNAL"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    TIMEOUT = "TIMEOUT"
    DISK_LIMIT = "DISK_LIMIT"
    STOPPED = "STOPPED"
    PREEMPTED = "PREEMPTED"
    LOST = "LOST"
    START_FAILED = "START_FAILED"
    EXPIRED = "EXPIRED"


class EngineKind(StrEnum):
    """Where a process runs: in a sandbox of this machine's kernel, in a container, or on a node of a Ray cluster."""

    LOCAL = "local"
    CONTAINER = "container"
    RAY = "ray"


class SandboxLevel(StrEnum):
    """How well a process is fenced in, strongest first. The level in force is shown in every process record."""

    CONTAINER = "container"
    BUBBLEWRAP = "bubblewrap"
    LANDLOCK = "landlock"
    RLIMITS = "rlimits"


class NodeChoice(StrEnum):
    """Which of several machines that could run a process gets it.

    ANY is the engine's choice. PACK prefers machines that have work already, until half of what they have is used.
    SPREAD takes one after the other, so that the end of one takes as little as possible with it. SAME_NODE has all
    processes of a job of several on one machine; otherwise each of them has a machine of its own.
    """

    ANY = "ANY"
    PACK = "PACK"
    SPREAD = "SPREAD"
    SAME_NODE = "SAME_NODE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """Limits of one process tree, and what the machine that runs it must have. None: no limit but the machine's.

    Attributes:
        cpus: cores.
        memory_bytes: memory of all its processes together; beyond it the process is ended.
        disk_bytes: size of its working folder; beyond it the process is ended.
        time_limit_seconds: time after which it is ended.
        max_processes: processes and threads that it may have at the same time.
        gpus: accelerators that it has for itself, or, below 1, its part of one; it sees them as CUDA_VISIBLE_DEVICES.
        gpu_kind: what they must be, such as "A100".
        gpu_memory_bytes: memory that each of them must have.
        node_labels: labels that its machine must carry; only a cluster has several machines to choose from.
        placement: which of the machines that could run it.
    """

    cpus: float | None = None
    memory_bytes: int | None = None
    disk_bytes: int | None = None
    time_limit_seconds: float | None = None
    max_processes: int = 256
    gpus: float = 0
    gpu_kind: str = ""
    gpu_memory_bytes: int | None = None
    node_labels: dict[str, str] = field(default_factory=dict, hash=False)
    placement: NodeChoice = NodeChoice.ANY

    @property
    def node_wish(self) -> NodeWish:
        """What its machine must be, beyond amounts."""
        return NodeWish(labels=self.node_labels, gpu_kind=self.gpu_kind, gpu_memory_bytes=self.gpu_memory_bytes or 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A host path that the process may see; read-only unless said otherwise.

    Attributes:
        path: on the host.
        is_writable: whether the process may write there.
        target: where it is inside a container of an image, or at the sandbox level `bubblewrap`; empty, and at other
            levels: at the same path.
    """

    path: str
    is_writable: bool = False
    target: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sidecar:
    """A program from an image beside a process. They share a loopback and their fate: the end of one ends the other.

    Attributes:
        image: reference of the image ("repository:tag", "repository@sha256:...", or an id).
        command: program and arguments, no shell; empty: what the image says. Its first word goes to the image's
            entrypoint, if it has one.
        environment: added to the image's own.
        mounts: host paths that it may see.
        resources: limits of its own; its time limit is that of the process it stands beside.
    """

    image: str
    command: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    resources: Resources = field(default_factory=Resources)


@dataclass(frozen=True, slots=True, kw_only=True)
class GangMember:
    """What is particular to one of several containers of one image that are a process together.

    Attributes:
        environment: added to the process's own.
        mounts: host paths that it may see, read-only, in place of what the process has at the same target.
    """

    environment: dict[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()


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
        image: reference of the image that it runs from, which then brings its programs and libraries itself. Empty: the
            programs of this machine and the platform's Python. With an image, `command` may be empty, and
            `environment` is added to the image's.
        sidecar: a program from an image beside it; needs containers.
        members: of a gang on this machine: its image runs once for each, in a network that they have for themselves.
            All start or none, the first to fail ends all, and the resources are those of all together. Its output has
            "[rank] " before each line.
        engine: where it runs; None: where the platform's settings say, or in a container if it needs one.
        node: the machine that it runs on, by its name among `Engine.nodes`, or not at all; empty: the engine's choice.
        node_memory_bytes: memory that was set aside for it there, if that is not its limit.
        membership: it is one of a gang on several machines: their sandboxes share a network of their own, with nothing
            else in it. Needs `has_loopback`, and an engine of several machines.
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
    image: str = ""
    sidecar: Sidecar | None = None
    engine: EngineKind | None = None
    node: str = ""
    node_memory_bytes: int | None = None
    membership: Membership | None = None
    members: tuple[GangMember, ...] = ()

    @property
    def needs_containers(self) -> bool:
        """True for what cannot run without them."""
        return bool(self.image) or self.sidecar is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessEnd:
    """The account of an end: cause, code or signal, a sentence, the last lines of output and what it used."""

    cause: EndCause
    message: str
    exit_code: int | None = None
    signal: int | None = None
    log_tail: str = ""
    cpu_seconds: float | None = None
    memory_byte_seconds: int | None = None
    max_rss_bytes: int | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessUsage:
    """What a process and all below it have used so far: processor time, and memory times the seconds it was held."""

    cpu_seconds: float = 0.0
    memory_byte_seconds: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessState:
    """An engine's answer about one process. `end` is set exactly when status is ENDED.

    Attributes:
        usage: what it has used, a few seconds old while it lives, exact once it has ENDED; None: nobody measured it.
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
    usage: ProcessUsage | None = None
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
