"""Routes of profiles."""

from fastapi import APIRouter, Depends, Response

from modelyard.control.jobs.profiling.service import ProfileService
from modelyard.control.rest.guard import Guard
from modelyard.types.access import Action
from modelyard.types.debugging.profiles import Profile

_SVG = "image/svg+xml"


def router(service: ProfileService, guard: Guard) -> APIRouter:
    """/projects/{project}/jobs/{job_id}/profile."""
    reads = Depends(guard.require(Action.READ))
    routes = APIRouter(prefix="/projects/{project}/jobs/{job_id}", tags=["jobs"], dependencies=[reads])

    @routes.get("/profile", summary="Show what a job used, second by second")
    def get_profile(project: str, job_id: str) -> Profile:
        """CPU, memory, bytes read and written, steps, and in words what limits it. Also while it runs."""
        return service.profile(project, job_id)

    @routes.get(
        "/profile.svg",
        summary="Show the same as a picture",
        response_class=Response,
        responses={200: {"content": {_SVG: {"schema": {"type": "string"}}}}},
    )
    def get_profile_picture(project: str, job_id: str) -> Response:
        """SVG, a strip for each figure."""
        return Response(service.picture(project, job_id), media_type=_SVG)

    return routes
