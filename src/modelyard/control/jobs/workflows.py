"""The durable workflow that carries a job from its record to its end, whatever is killed on the way."""

from dbos import DBOS, DBOSConfiguredInstance

from modelyard.control.durable import MAX_RECOVERIES, enqueue_workflow
from modelyard.control.jobs.execution import JobExecution

QUEUE = "jobs"
"""Of the jobs that were accepted before there were queues of our own."""

ADMITTED = "admitted-jobs"
"""Whatever the scheduler has let in: its own rule is the limit."""


@DBOS.dbos_class()
class JobWorkflow(DBOSConfiguredInstance):
    """start -> follow -> settle, again while the process was lost; then clean up.

    One workflow for each admission: a job that makes room for others ends its workflow and gets another one later.
    """

    def __init__(self, execution: JobExecution) -> None:
        super().__init__("main")
        self._execution = execution

    def enqueue(self, ticket: str) -> None:
        """Carry an admitted job once, however often it is called."""
        enqueue_workflow(ADMITTED, ticket, self.run, ticket)

    @DBOS.workflow(name="job", max_recovery_attempts=MAX_RECOVERIES)
    def run(self, ticket: str) -> None:
        """A job from its admission to its end, or to its leave."""
        while self._start(ticket):
            self._follow(ticket)
            if not self._settle(ticket):
                break
        self._clean(ticket)

    @DBOS.step(name="job.start")
    def _start(self, ticket: str) -> bool:
        return self._execution.start(ticket)

    @DBOS.step(name="job.follow")
    def _follow(self, ticket: str) -> None:
        self._execution.follow(ticket)

    @DBOS.step(name="job.settle")
    def _settle(self, ticket: str) -> bool:
        return self._execution.settle(ticket)

    @DBOS.step(name="job.clean")
    def _clean(self, ticket: str) -> None:
        self._execution.clean(ticket)
