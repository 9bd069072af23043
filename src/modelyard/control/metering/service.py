"""Costs: price lists, reports, and budgets with what follows when they are spent."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import structlog

from modelyard.control.metering.errors import BudgetExhaustedError, BudgetNotFoundError, PeriodInvalidError
from modelyard.control.metering.ledger import in_force
from modelyard.control.metering.reports import added, report
from modelyard.control.metering.repository import BudgetRepository, PriceRepository, UsageRepository
from modelyard.control.rest.pages import Page, PageQuery
from modelyard.kit.clock import Clock
from modelyard.storage.database import Connection, Database
from modelyard.types.compute.costs import Budget, BudgetState, Cost, CostGroup, PriceList, Prices

_log = structlog.get_logger(__name__)


class CostService:
    """Adds up what this application's processes have used.

    Args:
        kinds: of subjects that this application meters; several applications may share a database.
    """

    def __init__(
        self,
        database: Database,
        usage: UsageRepository,
        prices: PriceRepository,
        budgets: BudgetRepository,
        clock: Clock,
        kinds: tuple[str, ...],
    ) -> None:
        self._database = database
        self._usage = usage
        self._prices = prices
        self._budgets = budgets
        self._clock = clock
        self._kinds = kinds

    def costs(self, project: str | None, group: CostGroup, since: date | None, until: date | None) -> list[Cost]:
        """What was used in these days (UTC, both included), the dearest first. Without days: in this month.

        Raises:
            PeriodInvalidError: it ends before it begins.
        """
        today = self._clock.now().astimezone(UTC).date()
        first, last = since or today.replace(day=1), until or today
        if last < first:
            raise PeriodInvalidError("The period ends before it begins", hint="Swap the days.", field="until")
        with self._database.read() as connection:
            rows = self._usage.rows(connection, project, first, last, self._kinds)
            prices = self._prices.all(connection)
        return report(rows, prices, group)

    def price_lists(self, page: PageQuery) -> Page[PriceList]:
        """Every list there was, newest first; the first is the one in force."""
        with self._database.transaction() as connection:
            in_force(connection, self._prices, self._clock.now())
        with self._database.read() as connection:
            return page.page(self._prices.list(connection, page), lambda each: (each.number,))

    def set_prices(self, prices: Prices, created_by: str) -> PriceList:
        """New prices from now on; what was used before stays at the prices of its time.

        The list in force stays if it has these prices: applications that share a database are told one after the other.
        """
        with self._database.transaction() as connection:
            present = in_force(connection, self._prices, self._clock.now())
            if present.prices == prices:
                return present
            self._prices.insert(connection, prices, self._clock.now(), created_by)
            return in_force(connection, self._prices, self._clock.now())

    def budget(self, project: str) -> Budget:
        """A project's budget, with what is spent of it in this month.

        Raises:
            BudgetNotFoundError: it has none.
        """
        with self._database.read() as connection:
            found = self._budget(connection, project)
        if found is None:
            raise BudgetNotFoundError(
                f"Project '{project}' has no budget", hint="Set one: modelyard budgets set AMOUNT."
            )
        return found

    def budgets(self, project: str | None) -> list[Budget]:
        """Every budget, or the one of `project` if it has one, by project."""
        with self._database.read() as connection:
            projects = sorted(self._budgets.projects(connection))
            found = [self._budget(connection, each) for each in projects if project in (None, each)]
        return [each for each in found if each is not None]

    def set_budget(self, project: str, *, amount: float, alert_share: float, stops: bool) -> Budget:
        """Limit what a project may spend in a month."""
        with self._database.transaction() as connection:
            self._budgets.put(
                connection,
                project,
                amount=amount,
                alert_share=alert_share,
                stops=stops,
                state=BudgetState.OK,
                month=self._month(),
                alerted_at=None,
            )
        self.look(lambda _project: None)
        return self.budget(project)

    def delete_budget(self, project: str) -> None:
        """Let a project spend without limit.

        Raises:
            BudgetNotFoundError: it has none.
        """
        with self._database.transaction() as connection:
            if not self._budgets.delete(connection, project):
                raise BudgetNotFoundError(f"Project '{project}' has no budget", hint="There is nothing to remove.")

    def check_budget(self, project: str) -> None:
        """Nothing if the project may start something new.

        Raises:
            BudgetExhaustedError: its budget is spent and stops it.
        """
        with self._database.read() as connection:
            found = self._budget(connection, project)
        if found is not None and found.stops and found.state is BudgetState.EXHAUSTED:
            raise BudgetExhaustedError(
                f"Project '{project}' has spent {found.spent:.2f} of its {found.amount:.2f} for this month",
                hint="Let an administrator raise the budget, or wait for the next month.",
            )

    def look(self, stop: Callable[[str], None]) -> None:
        """Note what budgets have reached; `stop` is called for each project whose spent budget stops its jobs."""
        with self._database.read() as connection:
            projects = self._budgets.projects(connection)
        for project in projects:
            with self._database.transaction() as connection:
                row, found = self._budgets.get(connection, project), self._budget(connection, project)
                if row is None or found is None:
                    continue
                if (row["state"], row["month"]) != (found.state, found.month):
                    is_new = found.state is not BudgetState.OK
                    alerted_at = self._clock.now() if is_new else None
                    values = {"amount": found.amount, "alert_share": found.alert_share, "stops": found.stops}
                    self._budgets.put(
                        connection, project, state=found.state, month=found.month, alerted_at=alerted_at, **values
                    )
                    if is_new:
                        _log.warning("budget_reached", project=project, state=found.state, spent=found.spent)
            if found.stops and found.state is BudgetState.EXHAUSTED:
                stop(project)

    def _budget(self, connection: Connection, project: str) -> Budget | None:
        row = self._budgets.get(connection, project)
        if row is None:
            return None
        month = self._month()
        rows = self._usage.rows(connection, project, month, month + timedelta(days=31), None)
        spent = added("", rows, self._prices.all(connection)).cost
        amount, alert_share = float(str(row["amount"])), float(str(row["alert_share"]))
        state = BudgetState.OK
        if spent >= amount:
            state = BudgetState.EXHAUSTED
        elif spent >= amount * alert_share:
            state = BudgetState.ALERT
        alerted_at = row["alerted_at"] if row["month"] == month else None
        return Budget(
            project=project,
            amount=amount,
            alert_share=alert_share,
            stops=bool(row["stops"]),
            state=state,
            spent=spent,
            month=month,
            alerted_at=alerted_at if isinstance(alerted_at, datetime) else None,
        )

    def _month(self) -> date:
        return self._clock.now().astimezone(UTC).date().replace(day=1)
