"""The engine of a Ray cluster: every process under a host on the node that Ray chose for it."""

import contextlib
import hashlib
import os
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import ModuleType

from modelyard.engines.base import Engine, ProcessNotFoundError
from modelyard.engines.checking import check_imageless, check_loopback, check_spec
from modelyard.engines.local.sandbox import levels
from modelyard.engines.ray import access, listing, members, placement, traits
from modelyard.engines.ray.records import Record, Records, Running
from modelyard.engines.ray.watch import Watch
from modelyard.engines.records import labelled
from modelyard.kit.handover import KEY_SEPARATOR, new_key
from modelyard.settings import Home
from modelyard.types.compute.nodes import Node
from modelyard.types.processes import (
    EndCause,
    LogChunk,
    ProcessEnd,
    ProcessSpec,
    ProcessState,
    ProcessStatus,
    ProcessUsage,
    SandboxLevel,
)

_POLL_SECONDS = 0.05
_REMOVE_LIMIT_SECONDS = 30.0
_LEAVING_SECONDS = 1.0
_LOST = "Its node, or what supervised it there, is gone and left no account of its end."


class RayEngine(Engine):
    """Sandboxed processes on the nodes of a cluster. Thread-safe.

    What was submitted and how it ended is kept in `<home>/run/ray`, which every node has to see at the same path.

    Args:
        home: the state directory.
        address: host:port of the cluster's head; empty: the cluster that was started from this state directory.
        level: sandbox to use on every node; None takes the strongest that works on this machine.

    Raises:
        RayMissingError: Ray is not installed.
        ClusterUnavailableError: no cluster answers.
    """

    name = "ray"
    has_nodes = True

    def __init__(self, home: Home, address: str = "", *, level: SandboxLevel | None = None) -> None:
        self._home = home
        self._records = Records(home.run / "ray")
        self._level = level
        self._namespace = f"modelyard-{hashlib.sha256(os.fsencode(home.root)).hexdigest()[:12]}"
        self._watches: dict[str, Watch] = {}
        self._lock = threading.Lock()
        self._address = listing.address_of(home, address)
        self._ray: ModuleType = access.connect(home, self._address)

    def submit(self, process_id: str, spec: ProcessSpec) -> None:
        """See `Engine.submit`.

        Raises:
            InvalidInputError: the work directory or a mount does not exist, the command is empty, or it needs an image.
            SandboxTooWeakError: it needs a loopback of its own, and the sandbox cannot give it one.
            NoSuchNodeError: no node has what it asks for.
            ClusterUnavailableError: the cluster does not answer.
        """
        if self._records.exists(process_id):
            return
        level = self.sandbox_level()
        check_imageless(spec, self.name)
        check_spec(spec, self._records.folder)
        check_loopback(spec, level)
        nodes = self._ray.nodes()
        placement.check_possible(spec, nodes)
        record = Record(spec=spec, sandbox=level, key=new_key(), created_at=datetime.now(UTC))
        if not self._records.create(process_id, record):
            return
        try:
            self._make_host(process_id, placement.options(self._ray, spec, nodes))
        except self._ray.exceptions.RayError as error:
            self._records.delete(process_id)
            raise access.ClusterUnavailableError(
                f"the cluster took no process: {error}", hint="`modelyard cluster status` shows its nodes."
            ) from error
        self._records.note_hosted(process_id)

    def knows(self, process_id: str) -> bool:
        """See `Engine.knows`."""
        return self._records.exists(process_id)

    def state(self, process_id: str) -> ProcessState:
        """See `Engine.state`. A node's end is noticed by its heartbeats: seconds later."""
        record = self._records.record(process_id)
        end = self._records.end(process_id)
        watch = None if end is not None else self._watch(process_id)
        if watch is not None:
            watch.look()
            end = watch.end or self._records.end(process_id)  # it may have been settled while we looked
        if end is None and self._is_lost(process_id, watch):
            end = self._settle_lost(process_id)
        if end is not None:
            self._forget(process_id)
        running = watch.running if watch is not None else self._records.running(process_id)
        address, usage = watch.address if watch is not None else "", self._records.usage(process_id, end)
        return _state(process_id, record, running, address, end, usage)

    def list(self, labels: Mapping[str, str] | None = None) -> Sequence[ProcessState]:
        """See `Engine.list`."""
        states = []
        for process_id in labelled(self._records, labels):
            with contextlib.suppress(ProcessNotFoundError):
                states.append(self.state(process_id))
        return states

    def stop(self, process_id: str, *, grace_seconds: float = 5.0, is_preemption: bool = False) -> None:
        """See `Engine.stop`. One that waits for its node, or is about to start there, ends without grace."""
        state = self.state(process_id)
        if not state.is_alive:
            return
        watch = self._watch(process_id)
        if watch is not None and state.status is ProcessStatus.RUNNING:
            watch.stop(grace_seconds, is_preemption=is_preemption)
            return
        cause = EndCause.PREEMPTED if is_preemption else EndCause.STOPPED
        message = "It was ended before it ran."
        self._records.settle(process_id, ProcessEnd(cause=cause, message=message, ended_at=datetime.now(UTC)))
        if watch is not None:
            watch.kill()

    def wait(self, process_id: str, timeout_seconds: float) -> ProcessState:
        """See `Engine.wait`."""
        deadline = time.monotonic() + timeout_seconds
        while True:
            state = self.state(process_id)
            remaining = deadline - time.monotonic()
            if not state.is_alive or remaining <= 0:
                return state
            watch = self._watch(process_id)
            if watch is None:
                time.sleep(min(_POLL_SECONDS, remaining))
            else:
                watch.wait(remaining)

    def logs(self, process_id: str, offset: int = 0, limit: int = 1 << 20) -> LogChunk:
        """See `Engine.logs`. Read from the state directory: they stay when their node does not."""
        is_complete = not self.state(process_id).is_alive
        return self._records.logs(process_id, offset, limit, is_complete=is_complete)

    def remove(self, process_id: str) -> None:
        """See `Engine.remove`."""
        with contextlib.suppress(ProcessNotFoundError):  # somebody else may remove it at the same time
            self.stop(process_id, grace_seconds=0)
            self.wait(process_id, _REMOVE_LIMIT_SECONDS)
            self._wait_for_account(process_id)
        self._kill_host(process_id)
        self._records.delete(process_id)
        self._forget(process_id)

    def reap(self) -> Sequence[str]:
        """See `Engine.reap`."""
        strange = self._strange_hosts()
        if strange:
            time.sleep(_LEAVING_SECONDS)  # one whose process was removed this moment is about to end by itself
        ended = []
        for process_id in strange & self._strange_hosts():
            self._kill_host(process_id)
            ended.append(f"the host of '{process_id}', which has no record")
        for process_id in self._records.ids():
            with contextlib.suppress(ProcessNotFoundError):
                self.state(process_id)  # settles it if it was lost
        self._records.sweep()
        return ended

    def sandbox_level(self) -> SandboxLevel:
        """See `Engine.sandbox_level`. A node that cannot give this level refuses the process."""
        return self._level or levels.strongest_level()

    def nodes(self) -> Sequence[Node]:
        """See `Engine.nodes`. Those that are alive: Ray forgets others after a while."""
        return members.members(self._ray, self._records)

    def drain(self, node: str) -> bool:
        """See `Engine.drain`."""
        found = traits.names(self._ray.nodes()).get(node)
        return found is None or members.drain(self._ray, self._address, found["NodeID"])

    def _make_host(self, process_id: str, options: dict[str, object]) -> None:
        from modelyard.engines.ray.host import ProcessHost  # noqa: PLC0415 - imports ray

        actor = self._ray.remote(ProcessHost).options(
            name=process_id, namespace=self._namespace, lifetime="detached", max_restarts=0, **options
        )
        host = actor.remote(str(self._records.folder), process_id)
        with self._lock:
            self._watches[process_id] = Watch(self._ray, host)

    def _watch(self, process_id: str) -> Watch | None:
        """What follows its host; None if it has none, or none yet."""
        watch = self._watches.get(process_id)
        if watch is not None:
            return watch
        try:
            host = self._ray.get_actor(process_id, namespace=self._namespace)
        except ValueError:
            return None
        watch = Watch(self._ray, host, self._records.running(process_id), self._records.door(process_id))
        with self._lock:
            return self._watches.setdefault(process_id, watch)

    def _is_lost(self, process_id: str, watch: Watch | None) -> bool:
        """Whether nothing will come any more: no host, and no account from its node."""
        if watch is None:
            return self._records.is_hosted(process_id)
        return watch.is_gone and (watch.is_out_of_patience or self._records.own_account(process_id) is not None)

    def _settle_lost(self, process_id: str) -> ProcessEnd | None:
        """The first account wins: the host's may have been under way."""
        tail = self._records.tail(process_id)
        end = ProcessEnd(cause=EndCause.LOST, message=_LOST, log_tail=tail, ended_at=datetime.now(UTC))
        self._records.settle(process_id, end)
        return self._records.end(process_id)

    def _wait_for_account(self, process_id: str) -> None:
        """The node's supervisor writes its account when nothing of the process is alive any more."""
        deadline = time.monotonic() + _LEAVING_SECONDS
        while self._records.is_begun(process_id) and self._records.own_account(process_id) is None:
            if time.monotonic() > deadline:  # its node is gone
                return
            time.sleep(_POLL_SECONDS)

    def _kill_host(self, process_id: str) -> None:
        watch = self._watch(process_id)
        if watch is not None:
            watch.kill()

    def _strange_hosts(self) -> set[str]:
        named = self._ray.util.list_named_actors(all_namespaces=True)
        own = {each["name"] for each in named if each["namespace"] == self._namespace}
        return own - set(self._records.ids())

    def _forget(self, process_id: str) -> None:
        """Let go of the host of a process that has ended."""
        with self._lock:
            self._watches.pop(process_id, None)


def _state(
    process_id: str,
    record: Record,
    running: Running | None,
    address: str,
    end: ProcessEnd | None,
    usage: ProcessUsage | None,
) -> ProcessState:
    alive_status = ProcessStatus.STARTING if running is None else ProcessStatus.RUNNING
    ahead = 0.0 if running is None else running.clock_ahead - (time.monotonic() - time.time())
    return ProcessState(
        id=process_id,
        status=alive_status if end is None else ProcessStatus.ENDED,
        sandbox=record.sandbox,
        labels=record.spec.labels,
        pid=running.pid if running else None,
        started_at=running.started_at if running else None,
        end=end,
        usage=usage,
        node=running.node if running else "",
        address=f"{record.key}{KEY_SEPARATOR}{address}" if address else "",
        clock_ahead_seconds=ahead,
    )
