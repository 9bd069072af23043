"""The durable workflow that carries a tuning job, whatever is killed on the way."""

from dbos import DBOS, DBOSConfiguredInstance

from modelyard.control.durable import MAX_RECOVERIES, start_workflow
from modelyard.control.tuning.execution import TuningExecution
from modelyard.control.tuning.service import TuningService


@DBOS.dbos_class()
class TuningWorkflow(DBOSConfiguredInstance):
    """search -> settle; each step may be repeated from its beginning."""

    def __init__(self, service: TuningService, execution: TuningExecution) -> None:
        super().__init__("main")
        self._service = service
        self._execution = execution

    def sweep(self) -> None:
        """Start the workflows of new tuning jobs; for those that have one already this does nothing."""
        for tuning_id in self._service.unfinished():
            start_workflow(tuning_id, self.run, tuning_id)

    @DBOS.workflow(name="tuning", max_recovery_attempts=MAX_RECOVERIES)
    def run(self, tuning_id: str) -> None:
        """The whole life of one tuning job."""
        self._search(tuning_id)
        self._settle(tuning_id)

    @DBOS.step(name="tuning.search")
    def _search(self, tuning_id: str) -> None:
        self._execution.search(tuning_id)

    @DBOS.step(name="tuning.settle")
    def _settle(self, tuning_id: str) -> None:
        self._execution.settle(tuning_id)
