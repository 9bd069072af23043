"""Routes of what endpoints cost for nothing, and how many there are."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from modelyard.control.endpoints.scaling.idle_report import IdleReport
from modelyard.control.endpoints.service import EndpointService
from modelyard.control.rest.guard import Guard
from modelyard.control.rest.pages import Page
from modelyard.types.access import Action
from modelyard.types.compute.idleness import IdleEndpoint
from modelyard.types.compute.scheduling import QuotaUse


def economy_router(report: IdleReport, service: EndpointService, guard: Guard) -> APIRouter:
    """/projects/{project}/idle-endpoints and /usage."""
    routes = APIRouter(prefix="/projects/{project}", tags=["endpoints"])

    @routes.get(
        "/idle-endpoints", summary="List endpoints that nobody asks", dependencies=[Depends(guard.require(Action.READ))]
    )
    def list_idle_endpoints(
        project: str, hours: Annotated[float, Query(ge=0, description="Without a request for so long.")] = 24.0
    ) -> Page[IdleEndpoint]:
        """With what they cost a day meanwhile, the dearest first."""
        return Page(items=report.idle(project, hours), next_cursor=None)

    @routes.get(
        "/usage", summary="Show how many endpoints a project has", dependencies=[Depends(guard.require(Action.READ))]
    )
    def get_usage(project: str) -> Page[QuotaUse]:
        """Beside how many its quota allows."""
        return Page(items=[service.usage(project)], next_cursor=None)

    return routes
