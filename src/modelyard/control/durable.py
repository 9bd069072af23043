"""Durable workflows: what was started is finished, though the process is killed at any line.

A thin owner of the process's DBOS instance. Workflow classes live in each capability's `workflows.py`: steps are
idempotent, take and return plain JSON, and return expected failures as values (a replayed exception has lost its type).
"""

import contextvars
import os
from collections.abc import Callable, Iterable

import structlog
from dbos import DBOS, SetWorkflowID, WorkflowStatus
from dbos._serialization import DBOSPortableJSON  # JSON, not pickle: nothing read from the database may run code

from modelyard.storage.workflow_engine import create_workflow_engine

_log = structlog.get_logger(__name__)

ALONE = "control"
"""Names the only process on a database, and every process of earlier releases."""

_OWN = "@"
MAX_RECOVERIES = 1_000_000
"""Workflows are resumed after every restart, however many there were."""


class Durable:
    """Starts and stops DBOS on one database. Create the workflow objects between construction and `launch`.

    Args:
        url: of the database.
        control: names this process among several on the database; "" if there can be no other.
        queues: those that it takes workflows from. Each has a twin for this process alone: what was taken from a queue
            and interrupted goes on here, beside the processes that it started, unless this process is gone for good.
    """

    def __init__(self, url: str, control: str = "", queues: tuple[str, ...] = ()) -> None:
        self._control = control
        self._queues = queues
        self._executor = f"{control}#{os.urandom(4).hex()}" if control else ALONE
        self._engine = create_workflow_engine(url)
        DBOS(
            config={
                "name": "modelyard",
                "system_database_url": url if url.startswith("sqlite") else "postgresql://by@engine/given",
                "system_database_engine": self._engine,
                "executor_id": self._executor,
                "application_version": "modelyard",
                "serializer": DBOSPortableJSON,
                "log_level": "ERROR",
                "max_executor_threads": 128,
                "notification_listener_polling_interval_sec": 1.0,
            }
        )
        if control:
            DBOS.listen_queues([*queues, *(_own_queue(name, control) for name in queues)])

    def launch(self) -> None:
        """Take up every workflow that was under way here, then accept new ones."""
        DBOS.launch()
        if self._control:
            for each in self._unfinished():
                if _control_of(each) == self._control and each.executor_id != self._executor:
                    self._go_on(each, self._control)

    def add_queue(self, name: str, concurrency: int, look_seconds: float = 0.5) -> None:
        """A queue that runs at most `concurrency` of its workflows at the same time. After `launch`.

        It is looked into every `look_seconds`, which also a process with nothing to do pays for.
        """
        for each in (name, *((_own_queue(name, self._control),) if self._control else ())):
            DBOS.register_queue(each, worker_concurrency=concurrency, polling_interval_sec=look_seconds)

    def take_over(self, gone: Callable[[Iterable[str]], list[str]], *, may_act: bool) -> int:
        """Have the workflows of dead processes go on, here or wherever there is room first; how many those are.

        What a process that is not dead after all still wants to record of them is refused.

        Args:
            gone: which of these processes may be taken over from.
            may_act: False: just look. Only one process may act at a time.
        """
        if not self._control:
            return 0
        unfinished = self._unfinished()
        dead = gone(sorted({_control_of(each) for each in unfinished} - {self._control}))
        left = [each for each in unfinished if _control_of(each) in dead]
        if not may_act or not left:
            return 0
        for each in left:
            self._go_on(each, "")
        _log.warning("workflows taken over", controls=dead, workflows=[each.workflow_id for each in left])
        return len(left)

    def close(self) -> None:
        """Stop; workflows under way are taken up at the next launch."""
        DBOS.destroy()
        self._engine.dispose()

    def _unfinished(self) -> list[WorkflowStatus]:
        """Those that some process has taken: under way, or waiting for that process alone."""
        found = DBOS.list_workflows(status=["PENDING", "ENQUEUED"], load_input=False, load_output=False)
        return [each for each in found if each.status == "PENDING" or _OWN in (each.queue_name or "")]

    def _go_on(self, workflow: WorkflowStatus, control: str) -> None:
        """Put it into the queue that it came from, or into that queue's twin for one process."""
        queue = (workflow.queue_name or "").partition(_OWN)[0]
        if queue not in self._queues:
            DBOS.resume_workflow(workflow.workflow_id)  # into a queue that every process takes from
        else:
            DBOS.resume_workflow(workflow.workflow_id, queue_name=_own_queue(queue, control) if control else queue)


def _own_queue(name: str, control: str) -> str:
    return f"{name}{_OWN}{control}"


def _control_of(workflow: WorkflowStatus) -> str:
    """The process that has it: by name, for whatever run of it."""
    waits_for = (workflow.queue_name or "").partition(_OWN)[2] if workflow.status == "ENQUEUED" else ""
    return waits_for or (workflow.executor_id or "").partition("#")[0]


def start_workflow(workflow_id: str, function: Callable[[str], None], argument: str) -> None:
    """Start `function(argument)` once: a second start with the same id does nothing."""
    _apart(workflow_id, lambda: DBOS.start_workflow(function, argument))


def enqueue_workflow(queue: str, workflow_id: str, function: Callable[[str], None], argument: str) -> None:
    """Queue `function(argument)` once: a second call with the same id does nothing."""
    _apart(workflow_id, lambda: DBOS.enqueue_workflow(queue, function, argument))


def _apart(workflow_id: str, start: Callable[[], object]) -> None:
    """Start outside of the caller's workflow, if it runs in one: a retraining step may create a training job."""

    def named() -> None:
        with SetWorkflowID(workflow_id):
            start()

    contextvars.Context().run(named)
