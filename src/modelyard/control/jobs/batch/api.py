"""Route of batch jobs."""

from typing import Annotated

from fastapi import APIRouter, Depends

from modelyard.control.jobs.batch.schemas import BatchJobRequest
from modelyard.control.jobs.batch.service import BatchJobService
from modelyard.control.rest.dependencies import Idempotency
from modelyard.control.rest.guard import Guard
from modelyard.settings import Settings
from modelyard.types.access import Action, Principal
from modelyard.types.jobs import Job


def router(service: BatchJobService, guard: Guard, settings: Settings) -> APIRouter:
    """/projects/{project}/batch-jobs. All else about a batch job is as for any job."""
    routes = APIRouter(prefix="/projects/{project}", tags=["jobs"])

    @routes.post("/batch-jobs", status_code=201, summary="Answer all rows of some data by a model version")
    def create_batch_job(
        project: str,
        body: BatchJobRequest,
        principal: Annotated[Principal, Depends(guard.require(Action.WRITE))],
        creation: Idempotency,
    ) -> Job:
        """`progress` tells how far it is; `result.dataset` names the dataset version that it made.

        Its rows are those of the data in the same order, with the columns of `keep`, then `prediction`, a
        `probability_<class>` for each class (or the model's other outputs), and `error`: why a row has no answer.
        Finished shards outlive a crash of the job and of the platform.
        """
        limits = body.limits(settings.job_memory_bytes, settings.job_time_limit_seconds)
        return service.create(
            project,
            body.model,
            body.source.dataset,
            body.recipe(),
            limits,
            created_by=principal.name,
            creation=creation,
            placement=body.placement(),
        )

    return routes
