"""The durable workflow that carries a job from its record to its end, whatever is killed on the way."""

from dbos import DBOS, DBOSConfiguredInstance

from modelyard.control.durable import MAX_RECOVERIES, enqueue_workflow
from modelyard.control.jobs.execution import JobExecution

QUEUE = "jobs"


@DBOS.dbos_class()
class JobWorkflow(DBOSConfiguredInstance):
    """start -> follow -> settle, again while the process was lost or preempted; then clean up."""

    def __init__(self, execution: JobExecution) -> None:
        super().__init__("main")
        self._execution = execution

    def enqueue(self, job_id: str) -> None:
        """Queue a job once, however often it is called."""
        enqueue_workflow(QUEUE, job_id, self.run, job_id)

    @DBOS.workflow(name="job", max_recovery_attempts=MAX_RECOVERIES)
    def run(self, job_id: str) -> None:
        """The whole life of one job."""
        while self._start(job_id):
            self._follow(job_id)
            if not self._settle(job_id):
                break
        self._clean(job_id)

    @DBOS.step(name="job.start")
    def _start(self, job_id: str) -> bool:
        return self._execution.start(job_id)

    @DBOS.step(name="job.follow")
    def _follow(self, job_id: str) -> None:
        self._execution.follow(job_id)

    @DBOS.step(name="job.settle")
    def _settle(self, job_id: str) -> bool:
        return self._execution.settle(job_id)

    @DBOS.step(name="job.clean")
    def _clean(self, job_id: str) -> None:
        self._execution.clean(job_id)
