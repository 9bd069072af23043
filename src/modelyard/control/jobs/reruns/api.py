"""Routes of reruns."""

from typing import Annotated

from fastapi import APIRouter, Depends

from modelyard.control.jobs.reruns.service import RerunService
from modelyard.control.rest.dependencies import Idempotency
from modelyard.control.rest.guard import Guard
from modelyard.types.access import Action, Principal
from modelyard.types.jobs import Job
from modelyard.types.scripting.reruns import Verification


def router(service: RerunService, guard: Guard) -> APIRouter:
    """/projects/{project}/jobs/{job_id}/rerun and /verification."""
    routes = APIRouter(prefix="/projects/{project}/jobs/{job_id}", tags=["jobs"])

    @routes.post("/rerun", status_code=201, summary="Run a job again from its record")
    def rerun_job(
        project: str,
        job_id: str,
        principal: Annotated[Principal, Depends(guard.require(Action.WRITE))],
        creation: Idempotency,
    ) -> Job:
        """A new job with the same data, code, packages, seed and limits; `rerun_of` names the one before it.

        For training and script jobs that have completed. A model that comes out the same is no new version.
        """
        return service.rerun(project, job_id, created_by=principal.name, creation=creation)

    @routes.get(
        "/verification",
        summary="Did a rerun make the same?",
        dependencies=[Depends(guard.require(Action.READ))],
    )
    def verify_job(project: str, job_id: str) -> Verification:
        """Of a rerun that has completed: each file that differs from those of the job before it, by its digest."""
        return service.verify(project, job_id)

    return routes
