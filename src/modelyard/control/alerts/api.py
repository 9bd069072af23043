"""Routes of alert channels and deliveries."""

from typing import Annotated

from fastapi import APIRouter, Depends, status

from modelyard.control.alerts.schemas import ChannelCreate
from modelyard.control.alerts.service import AlertService
from modelyard.control.rest.dependencies import Idempotency, PageParameters
from modelyard.control.rest.guard import Guard
from modelyard.control.rest.pages import Page
from modelyard.types.access import Action, Principal
from modelyard.types.monitoring import AlertChannel, AlertDelivery


def router(service: AlertService, guard: Guard) -> APIRouter:
    """/projects/{project}/alert-channels and .../alert-deliveries."""
    routes = APIRouter(prefix="/projects/{project}", tags=["alerts"])
    reads, operates = guard.require(Action.READ), guard.require(Action.OPERATE)

    @routes.get("/alert-channels", summary="List alert channels", dependencies=[Depends(reads)])
    def list_channels(project: str, page: PageParameters) -> Page[AlertChannel]:
        """By name, without their secrets."""
        return service.channels(project, page)

    @routes.post("/alert-channels", summary="Create an alert channel", status_code=status.HTTP_201_CREATED)
    def create_channel(
        project: str, _principal: Annotated[Principal, Depends(operates)], creation: Idempotency, body: ChannelCreate
    ) -> AlertChannel:
        """A webhook or a mailbox. The answer holds the webhook's signing secret, which is not shown again."""
        return service.create(project, body, creation)

    @routes.get("/alert-channels/{channel}", summary="Show an alert channel", dependencies=[Depends(reads)])
    def get_channel(project: str, channel: str) -> AlertChannel:
        """Without its secret."""
        return service.channel(project, channel)

    @routes.delete(
        "/alert-channels/{channel}",
        summary="Delete an alert channel",
        status_code=status.HTTP_204_NO_CONTENT,
        dependencies=[Depends(operates)],
    )
    def delete_channel(project: str, channel: str) -> None:
        """What is still on its way to it is given up."""
        service.delete(project, channel)

    @routes.post("/alert-channels/{channel}/test", summary="Send a test alert", dependencies=[Depends(operates)])
    def test_channel(project: str, channel: str) -> AlertDelivery:
        """It is sent within about a second; the list of deliveries says what became of it."""
        return service.send_test(project, channel)

    @routes.get("/alert-deliveries", summary="List alert deliveries", dependencies=[Depends(reads)])
    def list_deliveries(project: str, page: PageParameters) -> Page[AlertDelivery]:
        """What was sent to whom, and what became of it, the newest first."""
        return service.deliveries(project, page)

    return routes
