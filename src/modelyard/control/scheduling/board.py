"""The present state of queues, hosts and jobs as the rule wants it, read in one transaction."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime

from modelyard.control.scheduling.capacity import QuotaBook, limited
from modelyard.control.scheduling.records import Entry, host_of, queue_of, quota_of, reserved_of
from modelyard.control.scheduling.repository import EntryRepository, QueueRepository, ReservationRepository
from modelyard.control.scheduling.rule.state import State
from modelyard.storage.database import Connection
from modelyard.types.compute.scheduling import EntryState, HostCapacity

HALF_LIFE_SECONDS = 86_400.0
"""What a project used this long ago counts for half in its fair share."""


class Board:
    """Reads; keeps nothing.

    Args:
        machines: tells what each machine offers while nobody has said otherwise.
        possible: tells of machines that are not there and would come if a job needed them.
        quotas: of projects.
    """

    def __init__(
        self,
        entries: EntryRepository,
        queues: QueueRepository,
        reservations: ReservationRepository,
        quotas: QuotaBook,
        machines: Callable[[], Sequence[HostCapacity]],
        possible: Callable[[], Sequence[HostCapacity]] = tuple,
    ) -> None:
        self.entries = entries
        self.queues = queues
        self.reservations = reservations
        self.quotas = quotas
        self.machines = machines
        self.possible = possible

    def hosts(self, connection: Connection) -> Sequence[HostCapacity]:
        """Every host that is there now. What somebody has said of one that is lost holds again when it is back."""
        limits = {host.name: host for host in self.queues.hosts(connection)}
        machines = self.machines()
        return [limited(each, limits[each.name]) if each.name in limits else each for each in machines]

    def state(
        self, connection: Connection, now: datetime, entries: Sequence[Entry], projects: Collection[str]
    ) -> State:
        """Everything that decides, for these jobs; `projects` are those whose quotas and use matter."""
        hosts = self.hosts(connection)
        by_name = {host.name: host for host in hosts}
        quotas = {project: self.quotas.of(project) for project in projects}
        return State(
            now=now.timestamp(),
            hosts=tuple(host_of(host) for host in hosts),
            queues={queue.name: queue_of(queue) for queue in self.queues.all(connection)},
            waiting=tuple(entry.request() for entry in entries if entry.state is EntryState.WAITING),
            running=tuple(entry.running() for entry in entries if entry.holds_capacity),
            reservations=tuple(
                reserved_of(each, there)
                for each in self.reservations.open(connection, now)
                if (there := [by_name[name] for name in each.held_hosts if name in by_name])
            ),
            quotas={project: quota_of(quota) for project, quota in quotas.items()},
            shares={project: quota.share for project, quota in quotas.items()},
            usage=self._usage(connection, now, entries),
        )

    def charge(self, connection: Connection, entry: Entry, now: datetime) -> None:
        """Add what a job has held since its admission to its project's use."""
        if entry.admitted_at is None or not entry.holds_capacity:
            return
        before = self._faded(connection, now).get(entry.project, 0.0)
        used = before + self._held_seconds(connection, entry, now)
        self.entries.set_use(connection, entry.project, used, now)

    def _usage(self, connection: Connection, now: datetime, entries: Sequence[Entry]) -> dict[str, float]:
        usage = self._faded(connection, now)
        for entry in entries:
            if entry.holds_capacity:
                usage[entry.project] = usage.get(entry.project, 0.0) + self._held_seconds(connection, entry, now)
        return usage

    def _faded(self, connection: Connection, now: datetime) -> dict[str, float]:
        return {
            project: used * 0.5 ** ((now - at).total_seconds() / HALF_LIFE_SECONDS)
            for project, (used, at) in self.entries.uses(connection).items()
        }

    def _held_seconds(self, connection: Connection, entry: Entry, now: datetime) -> float:
        """Seconds of the whole capacity."""
        whole = State(now=0.0, hosts=tuple(host_of(host) for host in self.hosts(connection))).capacity
        seconds = max(0.0, (now - (entry.admitted_at or now)).total_seconds())
        return seconds * entry.request().need.share_of(whole)
