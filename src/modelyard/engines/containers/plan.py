"""What the engine tells a container's supervisor to do: plain JSON."""

from typing import Any, TypedDict


class ContainerPlan(TypedDict):
    """One container.

    Attributes:
        name: its name, by which it is found again.
        image: id of its image.
        options: arguments of the docker SDK's `containers.create`, its classes in the form of the API's own JSON.
        memory_bytes: its memory limit, for the words about its end.
    """

    name: str
    image: str
    options: dict[str, Any]
    memory_bytes: int | None


class Plan(TypedDict):
    """Everything the supervisor needs.

    Attributes:
        folder: the process's folder once it has its record.
        socket: URL of the API.
        containers: the process's own, then its sidecar if it has one; of a gang its members, by rank.
        holder: of a gang, the container whose network they share.
        failure_mark: how the first process begins the line in which it says that it could not start the command.
        group: name of the control group above the containers, or empty for none.
        written: folders whose growth counts against the disk limit (the first, the work directory, counts in full).
        disk_bytes: that limit.
        time_limit_seconds: time after which it is ended.
        log_segment_bytes: size of one file of output.
        log_segments: how many such files are kept.
    """

    folder: str
    socket: str
    containers: list[ContainerPlan]
    holder: ContainerPlan | None
    failure_mark: str
    group: str
    written: list[str]
    disk_bytes: int | None
    time_limit_seconds: float | None
    log_segment_bytes: int
    log_segments: int
