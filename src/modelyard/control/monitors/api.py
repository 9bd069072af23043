"""Routes of monitors."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response, status

from modelyard.control.monitors.running import MonitorRunner
from modelyard.control.monitors.schemas import MonitorCreate, MonitorUpdate, Silence
from modelyard.control.monitors.service import MonitorService
from modelyard.control.rest.dependencies import Idempotency, IfMatch, PageParameters, set_etag
from modelyard.control.rest.guard import Guard
from modelyard.control.rest.pages import Page
from modelyard.types.access import Action, Principal
from modelyard.types.monitoring import DriftReport, Monitor


def router(service: MonitorService, runner: MonitorRunner, guard: Guard) -> APIRouter:
    """/projects/{project}/monitors."""
    routes = APIRouter(prefix="/projects/{project}/monitors", tags=["monitors"])
    reads, operates = guard.require(Action.READ), guard.require(Action.OPERATE)

    @routes.get("", summary="List monitors", dependencies=[Depends(reads)])
    def list_monitors(project: str, page: PageParameters) -> Page[Monitor]:
        """Each with its last report."""
        return service.list(project, page)

    @routes.post("", summary="Create a monitor", status_code=status.HTTP_201_CREATED)
    def create_monitor(
        project: str,
        _principal: Annotated[Principal, Depends(operates)],
        creation: Idempotency,
        body: MonitorCreate,
        response: Response,
    ) -> Monitor:
        """Compares the newest traffic of an endpoint, again and again, with the data its model was trained on."""
        monitor = service.create(project, body, creation)
        set_etag(response, monitor.version)
        return monitor

    @routes.get("/{monitor}", summary="Show a monitor", dependencies=[Depends(reads)])
    def get_monitor(project: str, monitor: str, response: Response) -> Monitor:
        """The answer's ETag header is what If-Match takes in a change."""
        found = service.get(project, monitor)
        set_etag(response, found.version)
        return found

    @routes.patch("/{monitor}", summary="Change a monitor", dependencies=[Depends(operates)])
    def update_monitor(
        project: str, monitor: str, body: MonitorUpdate, expected_version: IfMatch, response: Response
    ) -> Monitor:
        """What is left out of the body stays."""
        changed = service.update(project, monitor, body, expected_version)
        set_etag(response, changed.version)
        return changed

    @routes.delete(
        "/{monitor}",
        summary="Delete a monitor",
        status_code=status.HTTP_204_NO_CONTENT,
        dependencies=[Depends(operates)],
    )
    def delete_monitor(project: str, monitor: str, expected_version: IfMatch) -> None:
        """Its reports go with it."""
        service.delete(project, monitor, expected_version)

    @routes.post("/{monitor}/run", summary="Check now")
    def run_monitor(
        project: str, monitor: str, _principal: Annotated[Principal, Depends(operates)], creation: Idempotency
    ) -> DriftReport:
        """One verdict and the sentence that explains it. A check that cannot be done has the verdict FAILED."""
        return runner.run(project, monitor, creation)

    @routes.post("/{monitor}/silence", summary="Send no alerts for a while", dependencies=[Depends(operates)])
    def silence_monitor(project: str, monitor: str, body: Silence) -> Monitor:
        """Checks and events go on. When the time is over and the trouble is not, a reminder comes."""
        return service.silence(project, monitor, body.until)

    @routes.post("/{monitor}/acknowledge", summary="Acknowledge an alarm", dependencies=[Depends(operates)])
    def acknowledge_monitor(project: str, monitor: str) -> Monitor:
        """No reminders while the trouble lasts. The next trouble alerts again."""
        return service.acknowledge(project, monitor)

    @routes.get("/{monitor}/reports", summary="List reports", dependencies=[Depends(reads)])
    def list_reports(project: str, monitor: str, page: PageParameters) -> Page[DriftReport]:
        """The history of verdicts, the newest first. A scheduled check without new traffic makes no report."""
        return service.reports(project, monitor, page)

    return routes
