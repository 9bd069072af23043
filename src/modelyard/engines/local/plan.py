"""What the engine tells a process's supervisor to do: plain JSON, readable with the standard library alone."""

from typing import TypedDict


class Limits(TypedDict):
    """The limits of `types.processes.Resources`, as JSON."""

    cpus: float | None
    memory_bytes: int | None
    disk_bytes: int | None
    time_limit_seconds: float | None
    max_processes: int


class StagePlan(TypedDict):
    """What happens between the sandbox's start and the command's.

    Attributes:
        argv: the command; its first word is looked up on the environment's PATH.
        environment: the whole environment of the command.
        work_directory: where it starts.
        rlimits: name without "RLIMIT_" -> value; never raised above what is in force.
        landlock: paths to allow (readable, writable, listable), or None for no Landlock.
        own_user: run as this user id where the platform runs as root, or None to stay.
        is_confined: drop capabilities and close the network here (bubblewrap has done it already otherwise).
        has_network: False closes the network.
        has_loopback: with a closed network, leave the sandbox its own loopback.
    """

    argv: list[str]
    environment: dict[str, str]
    work_directory: str
    rlimits: dict[str, int]
    landlock: tuple[list[str], list[str], list[str]] | None
    own_user: int | None
    is_confined: bool
    has_network: bool
    has_loopback: bool


class Plan(TypedDict):
    """Everything the supervisor needs.

    Attributes:
        folder: the process's folder once it has its record.
        wrapper: bubblewrap and its arguments, or empty.
        stage_command: the program that reads `stage` inside the wrapper; the descriptor's number follows it.
        temporary: the process's private /tmp on the host.
        written: folders whose growth counts against the disk limit (the work directory counts in full).
        cgroup: name of its control groups, or empty for none.
        owner_pid: the process with whose end this one ends, or None.
        log_segment_bytes: size of one file of output.
        log_segments: how many such files are kept; older output is dropped.
    """

    folder: str
    wrapper: list[str]
    stage_command: list[str]
    stage: StagePlan
    temporary: str
    written: list[str]
    limits: Limits
    cgroup: str
    owner_pid: int | None
    log_segment_bytes: int
    log_segments: int
