"""The process behind a replica, of either kind: a worker of its own, or a model host that it may share."""

from dataclasses import replace
from pathlib import Path

from modelyard.control.endpoints.hosting.hosts import Hosts
from modelyard.control.endpoints.hosting.verdict import Verdict, verdict_of
from modelyard.control.endpoints.records import ReplicaRecord
from modelyard.dataplane.vitals import Vitals, read_vitals
from modelyard.engines.base import Engine, ProcessNotFoundError
from modelyard.types.endpoints import ReplicaStatus
from modelyard.types.processes import EndCause, ProcessEnd, ProcessState, ProcessStatus

_FOLDER_PREFIX = "r-"
_SOCKET = "w"
_DOOR = "d"


class ReplicaProcesses:
    """Asks engine and hosts at the time of the call. Safe from any thread.

    Args:
        engine: runs workers and hosts.
        hosts: None: every replica has a worker.
        folder: parent of the workers' folders; short, because a socket's path holds 107 bytes.
    """

    def __init__(self, engine: Engine, hosts: Hosts | None, folder: Path) -> None:
        self.hosts = hosts
        self._engine = engine
        self._folder = folder

    def state(self, replica: ReplicaRecord) -> ProcessState | None:
        """What is true of it now; None if it has no process, or its host does not hold it yet."""
        if replica.host is None or self.hosts is None:
            try:
                return self._engine.state(replica.id)
            except ProcessNotFoundError:
                return None
        try:
            host = self._engine.state(replica.host)
        except ProcessNotFoundError:
            return _ended(replica, ProcessEnd(cause=EndCause.LOST, message="It is gone without a trace."))
        return _hosted_state(replica, host, is_held=self.hosts.holds(replica.host, replica.id))

    def address(self, replica: ReplicaRecord) -> str:
        """Where gateways reach its model; empty while another machine has not said so."""
        if replica.host is not None and self.hosts is not None:
            return self.hosts.address(replica.host, replica.id)
        return self.direct_address(replica)

    def direct_address(self, replica: ReplicaRecord) -> str:
        """Where its model alone is reached; empty while another machine has not said so."""
        if not self._engine.has_nodes:
            return self.socket(replica)
        state = self.state(replica)
        if state is None:
            return ""
        # One that is an image runs in a container of this machine, whatever the engine of the others.
        return state.address if state.node or state.status is not ProcessStatus.RUNNING else self.socket(replica)

    def is_listening(self, replica: ReplicaRecord) -> bool:
        """True once the model is loaded and can be reached."""
        address = self.direct_address(replica)
        return Path(address).is_socket() if address.startswith("/") else bool(address)

    def socket(self, replica: ReplicaRecord) -> str:
        """The socket of its model alone, on its machine."""
        if replica.host is not None and self.hosts is not None:
            return self.hosts.socket(replica.host, replica.id)
        return str(self.folder(replica.id) / _SOCKET)

    def door(self, replica: ReplicaRecord) -> str:
        """Where its worker takes connections from other machines; empty if there are none."""
        return str(self.folder(replica.id) / _DOOR) if self._engine.has_nodes else ""

    def folder(self, replica_id: str) -> Path:
        """The folder of its worker."""
        return self._folder / f"{_FOLDER_PREFIX}{replica_id[-13:]}"  # 65 of the id's 80 random bits

    def verdict(self, replica: ReplicaRecord) -> Verdict:
        """Whose fault its end is."""
        return Verdict() if self.hosts is None else verdict_of(self.hosts, replica)

    def vitals(self, replica: ReplicaRecord) -> Vitals | None:
        """What its process says of itself and of its model; None if nothing yet."""
        if replica.host is None or self.hosts is None:
            vitals, state = read_vitals(self.socket(replica)), self.state(replica)
            if vitals is None or state is None:
                return vitals
            return replace(vitals, alive_until=vitals.alive_until - state.clock_ahead_seconds)
        return self.hosts.vitals(replica.host, replica.id)

    def wait(self, replica: ReplicaRecord, timeout_seconds: float) -> bool:
        """Give its process time to end; True if it is alive after that."""
        try:
            return self._engine.wait(replica.host or replica.id, timeout_seconds).is_alive
        except ProcessNotFoundError:
            return False

    def kill(self, replica: ReplicaRecord) -> None:
        """End its process at once, whoever else is in it.

        Raises:
            ProcessNotFoundError: it is gone already.
        """
        self._engine.stop(replica.host or replica.id, grace_seconds=0)


def _hosted_state(replica: ReplicaRecord, host: ProcessState, *, is_held: bool) -> ProcessState | None:
    if host.end is not None:
        return _ended(replica, host.end)
    if is_held:
        return replace(host, id=replica.id, started_at=replica.started_at or replica.created_at)
    if replica.status is ReplicaStatus.STARTING:
        return None
    return _ended(replica, ProcessEnd(cause=EndCause.STOPPED, message="Its host does not hold it any more."))


def _ended(replica: ReplicaRecord, end: ProcessEnd) -> ProcessState:
    return ProcessState(id=replica.id, status=ProcessStatus.ENDED, end=end)
