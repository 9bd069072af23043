"""Queues, what hosts offer, and reserved windows."""

from datetime import datetime

from modelyard.sdk.calls import Mode, Pages, call, listing
from modelyard.sdk.resource import JOBS, Resource, act, at, create, delete, pages, put, read, update
from modelyard.sdk.steps import Flow
from modelyard.types.compute.scheduling import HostCapacity, Queue, QueuedJob, Reservation


class Queues(Resource[Mode]):
    """Where jobs wait, and the capacity that they wait for."""

    @call
    def create(self, name: str, *, priority: int = 0, description: str = "") -> Flow[Queue]:
        """Make a queue; its priority (-100 to 100) is added to that of its jobs."""
        return create(Queue, at(JOBS, "queues"), {"name": name, "priority": priority, "description": description})

    @call
    def get(self, name: str) -> Flow[Queue]:
        """A queue by name."""
        return read(Queue, at(JOBS, "queues", name))

    @call
    def update(
        self, name: str, *, priority: int | None = None, hold: bool | None = None, description: str | None = None
    ) -> Flow[Queue]:
        """Change a queue; with `hold` nothing in it starts."""
        changes = {"priority": priority, "hold": hold, "description": description}
        return update(Queue, at(JOBS, "queues", name), changes, None)

    @call
    def delete(self, name: str) -> Flow[None]:
        """Delete an empty queue."""
        return delete(at(JOBS, "queues", name))

    @listing
    def jobs(self, name: str) -> Pages[QueuedJob]:
        """Jobs of a queue: those that run, then the others in the order of their turn."""
        return pages(QueuedJob, at(JOBS, "queues", name, "jobs"))

    @listing
    def hosts(self) -> Pages[HostCapacity]:
        """What machines offer to jobs."""
        return pages(HostCapacity, at(JOBS, "hosts"))

    @call
    def set_host(self, host: HostCapacity) -> Flow[HostCapacity]:
        """Set what a machine offers to jobs."""
        body = {"cpus": host.cpus, "memory_bytes": host.memory_bytes, "gpus": host.gpus, "jobs": host.jobs}
        return put(HostCapacity, at(JOBS, "hosts", host.name), body)

    @listing
    def list(self) -> Pages[Queue]:
        """Queues by name."""
        return pages(Queue, at(JOBS, "queues"))


class Reservations(Resource[Mode]):
    """Capacity that the project has for itself in a window."""

    @call
    def create(
        self,
        starts_at: datetime,
        ends_at: datetime,
        *,
        cpus: float,
        memory_bytes: int | None = None,
        gpus: int = 0,
        hosts: int = 1,
    ) -> Flow[Reservation]:
        """Reserve capacity; jobs that name the reservation run on it.

        The amounts are those of each host; a job of several processes runs on the `hosts` of a reservation.

        Raises:
            InvalidInputError: jobs that may still run then, or other reservations, hold it.
        """
        body = {
            "starts_at": starts_at,
            "ends_at": ends_at,
            "cpus": cpus,
            "memory_bytes": memory_bytes,
            "gpus": gpus,
            "hosts": hosts,
        }
        return act(Reservation, self._path(JOBS, "reservations"), body)

    @call
    def cancel(self, id: str) -> Flow[None]:
        """Give it back."""
        return delete(self._path(JOBS, "reservations", id))

    @listing
    def list(self) -> Pages[Reservation]:
        """In the order in which they were made."""
        return pages(Reservation, self._path(JOBS, "reservations"))
