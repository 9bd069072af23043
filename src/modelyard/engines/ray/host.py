"""The actor behind a process: runs it on its node with that node's own engine, and tells how it goes.

Ray chooses the node, gives it cores and accelerators for as long as the actor lives, and says when it is gone. The
process has the same sandbox, limits and truthful end as on one machine, and it ends with the actor, however that ends.
"""

import asyncio
import os
import threading
import time
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from modelyard.engines.local.engine import LocalEngine
from modelyard.engines.machines import named_gpus
from modelyard.engines.ray.door import Door
from modelyard.engines.ray.gangs import meeting, relay
from modelyard.engines.ray.records import Record, Records, Running
from modelyard.errors import ModelyardError
from modelyard.types.compute.gangs import Membership
from modelyard.types.processes import EndCause, ProcessEnd, ProcessSpec, ProcessStatus

_LOOK_SECONDS = 0.02
_WAIT_SECONDS = 5.0
_LOSS_SECONDS = 30.0  # longer than the cluster takes to notice the loss of a node
_LINGER_SECONDS = 0.2  # those who wait for the end hear of it before the actor is gone


class ProcessHost:
    """One process. Every method is answered when it has something to say.

    Args:
        folder: the cluster's records, on a file system that all nodes see.
        process_id: whose record is there.
    """

    def __init__(self, folder: str, process_id: str) -> None:
        self._records = Records(Path(folder))
        self._id = process_id
        self._running: Future[bytes] = Future()
        self._opened: Future[str] = Future()
        self._ended: Future[bytes] = Future()
        self._engine: LocalEngine | None = None
        try:
            self._begin()
        except ModelyardError as error:
            self._end(_refused(f"{error.message}. {error.hint}".strip()))
        except Exception as error:  # noqa: BLE001 - whatever it was, the process has an end and the end an account
            self._end(_refused(f"{type(error).__name__}: {error}"))

    async def running(self) -> bytes:
        """A Running as JSON, once it runs; empty if it never did."""
        return await asyncio.shield(asyncio.wrap_future(self._running))

    async def opened(self) -> str:
        """host:port of its door, once that leads somewhere."""
        return await asyncio.shield(asyncio.wrap_future(self._opened))

    async def ended(self) -> bytes:
        """A ProcessEnd as JSON, once it has ended."""
        return await asyncio.shield(asyncio.wrap_future(self._ended))

    async def stop(self, grace_seconds: float, is_preemption: bool) -> None:
        """See Engine.stop."""
        if self._engine is not None:
            self._engine.stop(self._id, grace_seconds=grace_seconds, is_preemption=is_preemption)

    def _begin(self) -> None:
        end = self._records.end(self._id)
        if end is not None:  # it was stopped while this host was under way
            self._end(end)
            return
        record, home = self._records.record(self._id), self._records.home(self._id)
        if record.spec.membership is not None:
            relay.check_possible()
        home.processes.mkdir(mode=0o700, parents=True, exist_ok=True)
        gpus = named_gpus(_own_gpus())
        self._engine = LocalEngine(home, level=record.sandbox, owner_pid=os.getpid(), gpus=gpus)
        self._engine.submit(self._id, _on_this_node(record.spec))
        threading.Thread(target=self._follow, args=(self._engine,), name="follows", daemon=True).start()
        if record.spec.door:
            threading.Thread(target=self._open, args=(record,), name="door", daemon=True).start()
        if record.spec.membership is not None:
            threading.Thread(target=self._join, args=(record.spec.membership,), name="joins", daemon=True).start()

    def _follow(self, engine: LocalEngine) -> None:
        """In a thread: say when it runs and when it has ended."""
        import ray  # noqa: PLC0415 - an extra, and this module is read without it too

        while (state := engine.state(self._id)).status is ProcessStatus.STARTING:
            time.sleep(_LOOK_SECONDS)
        if state.pid is not None and state.started_at is not None:
            running = Running(
                pid=state.pid,
                started_at=state.started_at,
                node=ray.get_runtime_context().get_node_id(),
                clock_ahead=time.monotonic() - time.time(),
            )
            self._records.note_running(self._id, running)
            self._running.set_result(msgspec.json.encode(running))
        while (end := engine.wait(self._id, _WAIT_SECONDS).end) is None:
            continue
        self._end(end)

    def _join(self, membership: Membership) -> None:
        """In a thread: connect the process with the other members of its gang, once all of them run."""
        import ray  # noqa: PLC0415 - see above

        try:
            connections = meeting.Meeting(self._records, membership, ray.util.get_node_ip_address()).hold()
            pid = msgspec.json.decode(self._running.result(), type=Running).pid
            descriptor = relay.open_interface(pid, membership.rank)
        except (ModelyardError, OSError, msgspec.DecodeError) as error:  # no pid: it has ended already, and said so
            self._end(_refused(str(error)))
            return
        relay.Relay(descriptor, connections, lambda rank: self._part(membership, rank)).start()

    def _part(self, membership: Membership, rank: int) -> None:
        """A member is not reached any more: it has ended, or else this one is cut off and ends too."""
        if not meeting.has_ended(self._records, membership.members[rank], _LOSS_SECONDS):
            message = f"It lost the connection to rank {rank} of its gang."
            self._end(ProcessEnd(cause=EndCause.LOST, message=message, ended_at=datetime.now(UTC)))

    def _end(self, end: ProcessEnd) -> None:
        """The account is written before anybody hears of it; then the cluster gets its resources back."""
        self._records.settle(self._id, end)
        if not self._running.done():
            self._running.set_result(b"")
        if not self._ended.done():
            self._ended.set_result(msgspec.json.encode(end))
        threading.Timer(_LINGER_SECONDS, os._exit, (0,)).start()

    def _open(self, record: Record) -> None:
        """In a thread: once the process takes connections, give it a port of this machine."""
        path = Path(record.spec.door)
        while not path.is_socket():
            time.sleep(_LOOK_SECONDS)
        asyncio.run(self._admit(Door(path, record.key)))

    async def _admit(self, door: Door) -> None:
        import ray  # noqa: PLC0415 - see above

        address = await door.open(ray.util.get_node_ip_address())
        self._records.note_door(self._id, address)
        self._opened.set_result(address)
        await asyncio.Event().wait()


def _on_this_node(spec: ProcessSpec) -> ProcessSpec:
    """The spec without what Ray has seen to. Its accelerators are all that this node's engine has to hand out."""
    resources = replace(spec.resources, node_labels={}, gpu_kind="", gpu_memory_bytes=None)
    return replace(spec, resources=resources, node="", node_memory_bytes=None, membership=None)


def _own_gpus() -> list[str]:
    """What Ray has given this host."""
    import ray  # noqa: PLC0415 - see above

    return [str(each) for each in ray.get_runtime_context().get_accelerator_ids().get("GPU", [])]


def _refused(message: str) -> ProcessEnd:
    return ProcessEnd(cause=EndCause.START_FAILED, message=message, ended_at=datetime.now(UTC))
