"""Route of processing jobs."""

from typing import Annotated

from fastapi import APIRouter, Depends

from modelyard.control.jobs.processing.schemas import ProcessingJobRequest
from modelyard.control.jobs.scripts.service import ScriptJobService
from modelyard.control.rest.dependencies import Idempotency
from modelyard.control.rest.guard import Guard
from modelyard.settings import Settings
from modelyard.types.access import Action, Principal
from modelyard.types.jobs import Job, JobKind


def router(service: ScriptJobService, guard: Guard, settings: Settings) -> APIRouter:
    """/projects/{project}/processing-jobs. Snapshots and files that are left are those of script jobs."""
    routes = APIRouter(prefix="/projects/{project}", tags=["jobs"])

    @routes.post("/processing-jobs", status_code=201, summary="Make datasets of data by a script or an image")
    def create_processing_job(
        project: str,
        body: ProcessingJobRequest,
        principal: Annotated[Principal, Depends(guard.require(Action.WRITE))],
        creation: Idempotency,
    ) -> Job:
        """Accepted at once and run when there is room. The project must permit code.

        `result` names the version that each output became: `dataset/<output>`. Their `source` has the job, the inputs,
        and the digests of code and environment. If one of them cannot be made, none is, and the job has failed.
        """
        return service.create(
            project,
            body.recipe(),
            body.script(),
            None,
            body.limits(settings.job_memory_bytes, settings.job_time_limit_seconds),
            kind=JobKind.PROCESSING,
            created_by=principal.name,
            creation=creation,
            placement=body.placement(),
        )

    return routes
