"""Routes of AutoML jobs."""

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import PlainTextResponse

from modelyard.control.jobs.automl.schemas import AutoMLJobRequest
from modelyard.control.jobs.automl.service import AutoMLService
from modelyard.control.rest.dependencies import Idempotency
from modelyard.control.rest.guard import Guard
from modelyard.settings import Settings
from modelyard.types.access import Action, Principal
from modelyard.types.automl.reports import AutoMLReport
from modelyard.types.jobs import Job


def router(service: AutoMLService, guard: Guard, settings: Settings) -> APIRouter:
    """/projects/{project}/automl-jobs. All else about an AutoML job is as for any job."""
    routes = APIRouter(prefix="/projects/{project}", tags=["automl"])
    reads = Depends(guard.require(Action.READ))

    @routes.post("/automl-jobs", status_code=201, summary="Find a good model within a time")
    def create_automl_job(
        project: str,
        body: AutoMLJobRequest,
        principal: Annotated[Principal, Depends(guard.require(Action.WRITE))],
        creation: Idempotency,
    ) -> Job:
        """One job with the queue, the limits and the costs of every job. `result.model_version` names the winner.

        It keeps its budget by itself; after a crash it goes on with what it had found and the time that was left.
        """
        limits = body.limits(settings.job_memory_bytes, settings.job_time_limit_seconds)
        return service.create(
            project,
            body.recipe(),
            body.model,
            limits,
            created_by=principal.name,
            creation=creation,
            placement=body.placement(),
            autogluon=body.autogluon,
        )

    @routes.get("/automl-jobs/{job_id}/report", summary="Profile, estimate and candidates", dependencies=[reads])
    def get_report(project: str, job_id: str) -> AutoMLReport:
        """Also while it runs: `candidates` grows, `winner` comes last."""
        return service.report(project, job_id)

    @routes.get(
        "/automl-jobs/{job_id}/script",
        summary="A program that trains the winner anew",
        response_class=PlainTextResponse,
        dependencies=[reads],
    )
    def get_script(project: str, job_id: str) -> str:
        """Python. With the same data and packages it makes the same model, to the byte."""
        return service.script(project, job_id)

    return routes
