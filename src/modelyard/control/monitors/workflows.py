"""The durable workflow of a scheduled check, and the sweep that starts those that are due."""

from datetime import datetime

import msgspec
from dbos import DBOS, DBOSConfiguredInstance

from modelyard.control.durable import MAX_RECOVERIES, start_workflow
from modelyard.control.monitors.running import DueCheck, MonitorRunner


@DBOS.dbos_class()
class MonitorWorkflow(DBOSConfiguredInstance):
    """One step: do the check of one slot. The slot is in the workflow's id, so that each is done once."""

    def __init__(self, runner: MonitorRunner) -> None:
        super().__init__("main")
        self._runner = runner

    def sweep(self) -> int:
        """Start every check that is due; returns how many. The server calls it about once a second.

        Killed between start and `put_off`, the next sweep starts the same slot again, which does nothing.
        """
        due = self._runner.due()
        for check in due:
            slot = check.slot.isoformat()
            argument = msgspec.json.encode([check.project, check.monitor, slot]).decode()
            start_workflow(f"monitor/{check.project}/{check.monitor}/{slot}", self.run, argument)
            self._runner.put_off(check)
        return len(due)

    @DBOS.workflow(name="monitor", max_recovery_attempts=MAX_RECOVERIES)
    def run(self, argument: str) -> None:
        """The whole life of one scheduled check."""
        self._check(argument)

    @DBOS.step(name="monitor.check")
    def _check(self, argument: str) -> None:
        project, monitor, slot = msgspec.json.decode(argument, type=tuple[str, str, str])
        self._runner.run_due(DueCheck(project, monitor, datetime.fromisoformat(slot)))
