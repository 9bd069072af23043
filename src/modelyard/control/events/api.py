"""Routes of events."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, status
from fastapi.responses import StreamingResponse

from modelyard.control.events.schemas import EventCreate
from modelyard.control.events.service import EventService
from modelyard.control.events.streaming import event_stream, start_of
from modelyard.control.rest.dependencies import Idempotency, PageParameters
from modelyard.control.rest.guard import Guard
from modelyard.control.rest.pages import Page
from modelyard.storage.creations import Creations
from modelyard.types.access import Action, Principal
from modelyard.types.endpoints import Event


def router(service: EventService, creations: Creations, guard: Guard) -> APIRouter:
    """/projects/{project}/events."""
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

    @routes.post(
        "/projects/{project}/events", summary="Tell what a pipeline did", status_code=status.HTTP_204_NO_CONTENT
    )
    def create_event(
        project: str,
        body: EventCreate,
        _principal: Annotated[Principal, Depends(guard.require(Action.OPERATE))],
        creation: Idempotency,
    ) -> None:
        """For the Jobs application. Channels that take events of this kind send it on."""
        service.announce(project, body.subject, body.kind, body.message, body.details, creation, creations)

    @routes.get(
        "/projects/{project}/events/stream",
        summary="What happens",
        dependencies=[Depends(guard.require(Action.READ))],
        response_class=StreamingResponse,
    )
    def stream_events(
        project: str,
        subject: Annotated[
            str | None, Query(description="Only what happens to this.", examples=["endpoint/digits"])
        ] = None,
        last_event_id: Annotated[
            str | None, Header(description="Id of the last event that you have; without it: from now on.")
        ] = None,
    ) -> StreamingResponse:
        """Server-sent events: new versions, rollouts, drift, retraining, as they happen.

        The event's name is its kind ("rollout_completed"), its data the event as JSON. A reader that was cut off sends
        `Last-Event-ID`, as browsers do by themselves, and misses nothing.
        """
        start = start_of(service, project, last_event_id)
        return StreamingResponse(event_stream(service, project, subject, start), media_type="text/event-stream")

    return routes
