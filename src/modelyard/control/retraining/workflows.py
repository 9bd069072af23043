"""The durable workflow of a run, and the sweep that starts the runs that are due."""

from dbos import DBOS, DBOSConfiguredInstance

from modelyard.control.durable import MAX_RECOVERIES, start_workflow
from modelyard.control.retraining.execution import RetrainingExecution
from modelyard.control.retraining.service import RetrainingService


@DBOS.dbos_class()
class RetrainingWorkflow(DBOSConfiguredInstance):
    """collect -> train -> judge -> roll out -> settle; each step may be repeated from its beginning."""

    def __init__(self, service: RetrainingService, execution: RetrainingExecution) -> None:
        super().__init__("main")
        self._service = service
        self._execution = execution

    def sweep(self) -> int:
        """Start what is due; returns how many runs. The server calls it every few seconds.

        A run whose workflow was not started (killed in between) is started here too; for the others a second start
        does nothing.
        """
        started = self._service.start_due()
        for run in self._service.active():
            self.start(run.id)
        return len(started)

    def start(self, run_id: str) -> None:
        """Carry a run to its end, once, however often it is called."""
        start_workflow(run_id, self.run, run_id)

    @DBOS.workflow(name="retraining", max_recovery_attempts=MAX_RECOVERIES)
    def run(self, run_id: str) -> None:
        """The whole life of one run."""
        for step in (self._collect, self._train, self._judge, self._roll_out):
            if not step(run_id):
                break
        self._settle(run_id)

    @DBOS.step(name="retraining.collect")
    def _collect(self, run_id: str) -> bool:
        return self._execution.collect(run_id)

    @DBOS.step(name="retraining.train")
    def _train(self, run_id: str) -> bool:
        return self._execution.train(run_id)

    @DBOS.step(name="retraining.judge")
    def _judge(self, run_id: str) -> bool:
        return self._execution.judge(run_id)

    @DBOS.step(name="retraining.roll_out")
    def _roll_out(self, run_id: str) -> bool:
        return self._execution.roll_out(run_id)

    @DBOS.step(name="retraining.settle")
    def _settle(self, run_id: str) -> None:
        self._execution.settle(run_id)
