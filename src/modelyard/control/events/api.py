"""Routes of events."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from modelyard.control.events.service import EventService
from modelyard.control.rest.dependencies import PageParameters
from modelyard.control.rest.guard import Guard
from modelyard.control.rest.pages import Page
from modelyard.types.access import Action
from modelyard.types.endpoints import Event


def router(service: EventService, guard: Guard) -> APIRouter:
    """GET /projects/{project}/events."""
    routes = APIRouter(tags=["events"])

    @routes.get(
        "/projects/{project}/events", summary="What happened", dependencies=[Depends(guard.require(Action.READ))]
    )
    def list_events(
        project: str,
        page: PageParameters,
        subject: Annotated[
            str | None, Query(description="Only what happened to this.", examples=["endpoint/digits"])
        ] = None,
        oldest_first: Annotated[bool, Query(description="In the order in which it happened.")] = False,
    ) -> Page[Event]:
        """What happened to endpoints, monitors and retraining policies, newest first unless said otherwise."""
        return service.list(project, subject, page, is_oldest_first=oldest_first)

    return routes
