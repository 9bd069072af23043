"""Routes of rules and of what they have found."""

from typing import Annotated

from fastapi import APIRouter, Depends

from modelyard.control.jobs.debugging import catalog
from modelyard.control.jobs.debugging.schemas import ToldRequest
from modelyard.control.jobs.debugging.service import FindingService
from modelyard.control.rest.guard import Guard
from modelyard.control.rest.pages import Page
from modelyard.types.access import Action, Principal
from modelyard.types.debugging.rules import Finding, RuleDescription


def router(service: FindingService, guard: Guard) -> APIRouter:
    """/rules and /findings."""
    routes = APIRouter(tags=["jobs"])

    @routes.get("/rules", summary="List the rules on live figures", dependencies=[Depends(guard.require(Action.READ))])
    def list_rules() -> Page[RuleDescription]:
        """What each looks at, when it finds something, and its thresholds. All apply to every job that trains."""
        return Page(items=[*catalog.descriptions()], next_cursor=None)

    @routes.get("/findings", summary="List findings that are no event yet")
    def list_untold_findings(principal: Annotated[Principal, Depends(guard.require(Action.READ))]) -> Page[Finding]:
        """For the Operations application, which makes events of them. `findings` of a job has all of that job."""
        return Page(items=[*service.untold(principal.project)], next_cursor=None)

    @routes.post("/findings/told", summary="Say that findings are events now")
    def note_findings_told(
        body: ToldRequest, principal: Annotated[Principal, Depends(guard.require(Action.WRITE))]
    ) -> Page[Finding]:
        """For the Operations application. Saying so twice is fine. The answer: those that are still none."""
        service.note_told(body.ids)
        return Page(items=[*service.untold(principal.project)], next_cursor=None)

    return routes
