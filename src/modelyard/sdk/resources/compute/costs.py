"""Costs, prices and budgets."""

import builtins
from datetime import date

from modelyard.sdk.calls import Mode, Pages, call, listing
from modelyard.sdk.resource import JOBS, OPERATIONS, REGISTRY, PageOf, Resource, act, at, delete, pages, put, read
from modelyard.sdk.steps import Flow
from modelyard.types.compute.costs import Budget, Cost, CostGroup, PriceList, Prices


class Costs(Resource[Mode]):
    """What jobs, endpoints and everything that is stored have used and cost."""

    @call
    def list(
        self,
        by: CostGroup | str = CostGroup.PROJECT,
        *,
        since: date | None = None,
        until: date | None = None,
        every_project: bool = False,
    ) -> Flow[builtins.list[Cost]]:
        """What was used in these days (UTC), the dearest first; in this month if no days are given.

        Args:
            by: "project", "kind", "job", "endpoint", "version" or "day".
            since: first day.
            until: last day.
            every_project: of all projects, not of the client's only.
        """
        query = {
            "by": str(by),
            "project": None if every_project else self._project,
            "since": since.isoformat() if since else None,
            "until": until.isoformat() if until else None,
        }
        found: dict[str, Cost] = {}
        for application in (REGISTRY, JOBS, OPERATIONS):
            page: PageOf[Cost] = yield from read(PageOf[Cost], at(application, "costs"), query)
            for each in page.items:
                found[each.name] = found[each.name].plus(each) if each.name in found else each
        return sorted(found.values(), key=lambda each: (-each.cost, each.name))

    @listing
    def price_lists(self) -> Pages[PriceList]:
        """Every price list there was, newest first."""
        return pages(PriceList, at(JOBS, "prices"))

    @call
    def set_prices(self, prices: Prices) -> Flow[PriceList]:
        """New prices from now on; what was used before stays at the prices of its time.

        Each application charges by its own list, so all of them are told. If one does not answer, call this again:
        those that have the prices already stay as they are.
        """
        for application in (REGISTRY, OPERATIONS):
            yield from act(PriceList, at(application, "prices"), prices)
        return (yield from act(PriceList, at(JOBS, "prices"), prices))

    @call
    def budget(self) -> Flow[Budget]:
        """The project's budget, with what is spent of it in this month."""
        return read(Budget, self._path(JOBS, "budget"))

    @call
    def budgets(self) -> Flow[builtins.list[Budget]]:
        """Every budget that the token may see."""
        page: PageOf[Budget] = yield from read(PageOf[Budget], at(JOBS, "budgets"))
        return page.items

    @call
    def set_budget(self, amount: float, *, alert_share: float = 0.8, stops: bool = False) -> Flow[Budget]:
        """Limit what the project may spend in a month; with `stops` its jobs are stopped when it is spent."""
        body = {"amount": amount, "alert_share": alert_share, "stops": stops}
        return put(Budget, self._path(JOBS, "budget"), body)

    @call
    def delete_budget(self) -> Flow[None]:
        """Let the project spend without limit."""
        return delete(self._path(JOBS, "budget"))
