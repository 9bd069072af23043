"""Routes of detectors."""

from fastapi import APIRouter, Depends, Response, status

from modelyard.control.detectors.schemas import DetectorPut
from modelyard.control.detectors.service import DetectorService
from modelyard.control.rest.dependencies import set_etag
from modelyard.control.rest.guard import Guard
from modelyard.types.access import Action
from modelyard.types.monitoring import DetectorDescription


def router(service: DetectorService, guard: Guard) -> APIRouter:
    """/projects/{project}/detectors."""
    routes = APIRouter(prefix="/projects/{project}/detectors", tags=["monitors"])
    reads, operates = guard.require(Action.READ), guard.require(Action.OPERATE)

    @routes.get("", summary="List detectors", dependencies=[Depends(reads)])
    def list_detectors(project: str) -> list[DetectorDescription]:
        """What monitors can name: those that are built in, and the project's own."""
        return [*service.list(project)]

    @routes.get("/{detector}", summary="Show a detector of one's own", dependencies=[Depends(reads)])
    def get_detector(project: str, detector: str, response: Response) -> DetectorDescription:
        """With its source."""
        found = service.get(project, detector)
        set_etag(response, found.version)
        return found

    @routes.put("/{detector}", summary="Keep a detector of one's own", dependencies=[Depends(operates)])
    def put_detector(project: str, detector: str, body: DetectorPut, response: Response) -> DetectorDescription:
        """A Python file, run in a sandbox without network; needs the project's written permission of code."""
        kept = service.put(project, detector, body)
        set_etag(response, kept.version)
        return kept

    @routes.delete(
        "/{detector}",
        summary="Delete a detector of one's own",
        status_code=status.HTTP_204_NO_CONTENT,
        dependencies=[Depends(operates)],
    )
    def delete_detector(project: str, detector: str) -> None:
        """Monitors that still name it will say that they cannot run."""
        service.delete(project, detector)

    return routes
