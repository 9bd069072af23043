"""Durable workflows: what was started is finished, though the process is killed at any line.

A thin owner of the process's DBOS instance. Workflow classes live in each capability's `workflows.py`: steps are
idempotent, take and return plain JSON, and return expected failures as values (a replayed exception has lost its type).
"""

import contextvars
from collections.abc import Callable

from dbos import DBOS, SetWorkflowID
from dbos._serialization import DBOSPortableJSON  # JSON, not pickle: nothing read from the database may run code

from modelyard.storage.workflow_engine import create_workflow_engine

MAX_RECOVERIES = 1_000_000
"""Workflows are resumed after every restart, however many there were."""


class Durable:
    """Starts and stops DBOS on one database. Create the workflow objects between construction and `launch`."""

    def __init__(self, url: str) -> None:
        self._engine = create_workflow_engine(url)
        DBOS(
            config={
                "name": "modelyard",
                "system_database_url": url if url.startswith("sqlite") else "postgresql://by@engine/given",
                "system_database_engine": self._engine,
                "executor_id": "control",
                "application_version": "modelyard",
                "serializer": DBOSPortableJSON,
                "log_level": "ERROR",
                "max_executor_threads": 128,
                "notification_listener_polling_interval_sec": 1.0,
            }
        )

    def launch(self) -> None:
        """Take up every workflow that was under way, then accept new ones."""
        DBOS.launch()

    def add_queue(self, name: str, concurrency: int) -> None:
        """A queue that runs at most `concurrency` of its workflows at the same time. After `launch`."""
        DBOS.register_queue(name, worker_concurrency=concurrency, polling_interval_sec=0.1)

    def close(self) -> None:
        """Stop; workflows under way are taken up at the next launch."""
        DBOS.destroy()
        self._engine.dispose()


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
