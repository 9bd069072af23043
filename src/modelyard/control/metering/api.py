"""Routes of costs, prices and budgets; every application that runs something has them."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from modelyard.control.metering.schemas import BudgetRequest, PricesRequest
from modelyard.control.metering.service import CostService
from modelyard.control.rest.dependencies import PageParameters
from modelyard.control.rest.guard import Guard
from modelyard.control.rest.pages import Page
from modelyard.types.access import Action, Principal
from modelyard.types.compute.costs import Budget, Cost, CostGroup, PriceList


def router(service: CostService, guard: Guard) -> APIRouter:
    """/costs, /prices, /budgets and /projects/{project}/budget."""
    routes = APIRouter(tags=["costs"])

    @routes.get("/costs", summary="What was used and what it cost")
    def list_costs(
        principal: Annotated[Principal, Depends(guard.require(Action.READ))],
        by: Annotated[CostGroup, Query(description="What is added up.")] = CostGroup.PROJECT,
        project: Annotated[str | None, Query(description="Only of this project.")] = None,
        since: Annotated[
            date | None, Query(description="First day (UTC); the first of this month if left out.")
        ] = None,
        until: Annotated[date | None, Query(description="Last day; today if left out.")] = None,
    ) -> Page[Cost]:
        """Measured processor time and memory, each at the price of its time. The dearest first.

        A token of one project sees that project.
        """
        if principal.project is not None and project not in (None, principal.project):
            guard.check(principal, Action.READ, project)
        return Page(items=service.costs(principal.project or project, by, since, until), next_cursor=None)

    @routes.get("/prices", summary="Price lists, newest first", dependencies=[Depends(guard.require(Action.READ))])
    def list_prices(page: PageParameters) -> Page[PriceList]:
        """The first one is in force."""
        return service.price_lists(page)

    @routes.post("/prices", status_code=201, summary="Set the prices from now on")
    def set_prices(
        body: PricesRequest, principal: Annotated[Principal, Depends(guard.require(Action.ADMINISTER))]
    ) -> PriceList:
        """What was used before stays at the prices of its time."""
        return service.set_prices(body.prices(), principal.name)

    @routes.get("/budgets", summary="List budgets")
    def list_budgets(principal: Annotated[Principal, Depends(guard.require(Action.READ))]) -> Page[Budget]:
        """With what is spent of each in this month. A token of one project sees that project's."""
        return Page(items=service.budgets(principal.project), next_cursor=None)

    @routes.get(
        "/projects/{project}/budget", summary="Show a budget", dependencies=[Depends(guard.require(Action.READ))]
    )
    def get_budget(project: str) -> Budget:
        """With what is spent of it in this month."""
        return service.budget(project)

    @routes.put("/projects/{project}/budget", summary="Limit what a project may spend in a month")
    def set_budget(
        project: str, body: BudgetRequest, principal: Annotated[Principal, Depends(guard.require(Action.ADMINISTER))]
    ) -> Budget:
        """For administrators of the whole platform. Its state is ALERT, then EXHAUSTED, as it is spent."""
        guard.check(principal, Action.ADMINISTER, None)
        return service.set_budget(project, amount=body.amount, alert_share=body.alert_share, stops=body.stops)

    @routes.delete("/projects/{project}/budget", status_code=204, summary="Let a project spend without limit")
    def delete_budget(project: str, principal: Annotated[Principal, Depends(guard.require(Action.ADMINISTER))]) -> None:
        """For administrators of the whole platform."""
        guard.check(principal, Action.ADMINISTER, None)
        service.delete_budget(project)

    return routes
