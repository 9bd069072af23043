"""The durable workflow that carries a run, whatever is killed on the way."""

from dbos import DBOS, DBOSConfiguredInstance

from modelyard.control.durable import MAX_RECOVERIES, start_workflow
from modelyard.control.pipelines.execution import PipelineExecution


@DBOS.dbos_class()
class PipelineWorkflow(DBOSConfiguredInstance):
    """One workflow for each waking of a run, of one step that may be repeated from its beginning.

    A run that waits for people ends its workflow, and so its thread, and gets another one when somebody has decided.
    """

    def __init__(self, execution: PipelineExecution) -> None:
        super().__init__("main")
        self._execution = execution

    def sweep(self) -> None:
        """Start the workflows of runs that are to be carried; for those that have theirs this does nothing."""
        for ticket in self._execution.tickets():
            start_workflow(ticket, self.run, ticket)

    @DBOS.workflow(name="pipeline", max_recovery_attempts=MAX_RECOVERIES)
    def run(self, ticket: str) -> None:
        """A run from a waking to its end, or until it waits for people alone."""
        self._carry(ticket)

    @DBOS.step(name="pipeline.carry")
    def _carry(self, ticket: str) -> None:
        self._execution.carry(ticket)
