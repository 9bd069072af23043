"""Tells of budgets that have reached something: an event of the project, and so to whoever subscribes to it."""

from collections.abc import Callable, Sequence

from modelyard.control.alerts.repository import AlertRepository
from modelyard.control.events.service import EventService
from modelyard.errors import UnavailableError
from modelyard.storage.database import Database
from modelyard.types.compute.costs import Budget, BudgetState

_KINDS = {BudgetState.ALERT: "budget_alert", BudgetState.EXHAUSTED: "budget_exhausted"}


class BudgetHerald:
    """Each state of a budget is told once in a month: what was told is noted in the transaction of the event.

    Args:
        ask: the budgets as the Jobs application knows them.
    """

    def __init__(
        self, database: Database, repository: AlertRepository, events: EventService, ask: Callable[[], Sequence[Budget]]
    ) -> None:
        self._database = database
        self._repository = repository
        self._events = events
        self._ask = ask

    def look(self) -> None:
        """Tell what is new. While the Jobs application is away nothing is, and nothing is forgotten."""
        try:
            budgets = self._ask()
        except UnavailableError:
            return
        for budget in budgets:
            if budget.state is not BudgetState.OK:
                self._tell(budget)

    def _tell(self, budget: Budget) -> None:
        with self._database.transaction() as connection:
            if self._repository.was_told(connection, budget):
                return
            self._repository.note_told(connection, budget)
            details = {
                "state": budget.state.value,
                "spent": f"{budget.spent:.2f}",
                "amount": f"{budget.amount:.2f}",
                "month": budget.month.isoformat(),
            }
            subject, kind = f"budget/{budget.project}", _KINDS[budget.state]
            self._events.append(budget.project, subject, kind, _words(budget), details, connection=connection)


def _words(budget: Budget) -> str:
    spent = f"Project '{budget.project}' has spent {budget.spent:.2f} of its {budget.amount:.2f} for this month"
    if budget.state is BudgetState.ALERT:
        return f"{spent}: more than the {budget.alert_share:.0%} from which on you wanted to be told"
    return f"{spent}: " + ("its jobs are stopped, and new ones refused" if budget.stops else "nothing is stopped")
