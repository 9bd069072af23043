"""Routes of tuning jobs."""

from typing import Annotated

from fastapi import APIRouter, Depends

from modelyard.control.rest.dependencies import Idempotency, PageParameters
from modelyard.control.rest.guard import Guard
from modelyard.control.rest.pages import Page
from modelyard.control.tuning.schemas import RegistrationRequest, TuningJobRequest
from modelyard.control.tuning.service import TuningService
from modelyard.settings import Settings
from modelyard.types.access import Action, Principal
from modelyard.types.jobs import Job
from modelyard.types.tuning.jobs import Trial, TuningJob


def router(service: TuningService, guard: Guard, settings: Settings) -> APIRouter:
    """/projects/{project}/tuning-jobs."""
    routes = APIRouter(prefix="/projects/{project}", tags=["tuning"])
    reads, writes = guard.require(Action.READ), guard.require(Action.WRITE)

    @routes.post("/tuning-jobs", status_code=201, summary="Look for the best hyper-parameters")
    def create_tuning_job(
        project: str,
        body: TuningJobRequest,
        principal: Annotated[Principal, Depends(writes)],
        creation: Idempotency,
    ) -> TuningJob:
        """Each trial is a job of kind `trial`, with the queue, the limits and the costs of every job.

        Trials are measured on rows of their own; those that judge the registered model stay unseen. With `model` and
        one objective, the best trial's hyper-parameters are trained once more, on the trials' rows too, and registered.
        A `script` holds rows apart itself and logs its objective; the model that the best trial has left is registered.
        """
        search = body.search(body.limits(settings.job_memory_bytes, settings.job_time_limit_seconds))
        return service.create(project, search, created_by=principal.name, creation=creation)

    @routes.get("/tuning-jobs", summary="List tuning jobs, newest first")
    def list_tuning_jobs(
        project: str, _: Annotated[Principal, Depends(reads)], page: PageParameters
    ) -> Page[TuningJob]:
        """Each with its best trial so far."""
        return service.list(project, page)

    @routes.get("/tuning-jobs/{tuning_id}", summary="Show a tuning job: where it stands and what is best")
    def get_tuning_job(project: str, tuning_id: str, _: Annotated[Principal, Depends(reads)]) -> TuningJob:
        """`best` for one objective, `front` for several: the trials that no other one beats in all of them."""
        return service.get(project, tuning_id)

    @routes.post("/tuning-jobs/{tuning_id}/stop", status_code=202, summary="Ask a tuning job to stop")
    def stop_tuning_job(project: str, tuning_id: str, _: Annotated[Principal, Depends(writes)]) -> TuningJob:
        """Trials that run are stopped; what is known so far stays, and nothing is registered."""
        return service.stop(project, tuning_id)

    @routes.get("/tuning-jobs/{tuning_id}/trials", summary="List the trials of a tuning job")
    def list_trials(
        project: str, tuning_id: str, _: Annotated[Principal, Depends(reads)], page: PageParameters
    ) -> Page[Trial]:
        """In the order in which they began, also while they run."""
        return service.trials(project, tuning_id, page)

    @routes.get("/tuning-jobs/{tuning_id}/importances", summary="Say which hyper-parameters matter")
    def get_importances(
        project: str, tuning_id: str, _: Annotated[Principal, Depends(reads)]
    ) -> dict[str, dict[str, float]]:
        """For each objective, the share of its variance that each hyper-parameter explains (functional ANOVA)."""
        return service.importances(project, tuning_id)

    @routes.post(
        "/tuning-jobs/{tuning_id}/trials/{number}/register",
        status_code=201,
        summary="Train and register with the hyper-parameters of a trial",
    )
    def register_trial(
        project: str,
        tuning_id: str,
        number: int,
        body: RegistrationRequest,
        principal: Annotated[Principal, Depends(writes)],
        creation: Idempotency,
    ) -> Job:
        """A training job; its `result` names the version."""
        return service.register(project, tuning_id, number, body.model, created_by=principal.name, creation=creation)

    return routes
