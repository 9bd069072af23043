"""Routes of jobs."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Annotated, TypedDict

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse

from modelyard.control.jobs.schemas import EvaluationJobRequest, JobRequest, ReplayJobRequest, TrainingJobRequest
from modelyard.control.jobs.service import JobService
from modelyard.control.rest.dependencies import Idempotency, PageParameters
from modelyard.control.rest.guard import Guard
from modelyard.control.rest.pages import Page
from modelyard.settings import Settings
from modelyard.storage.creations import Creation
from modelyard.types.access import Action, Principal
from modelyard.types.jobs import Job, JobKind, JobStatus, MetricPoint
from modelyard.types.processes import LogChunk, Resources

FOLLOW_SECONDS = 0.3


def router(service: JobService, guard: Guard, settings: Settings) -> APIRouter:
    """Training, evaluation and replay jobs, and what they have in common."""
    routes = APIRouter(prefix="/projects/{project}", tags=["jobs"])
    reads, writes = guard.require(Action.READ), guard.require(Action.WRITE)

    def limits(body: JobRequest) -> Resources:
        return body.limits(settings.job_memory_bytes, settings.job_time_limit_seconds)

    @routes.post("/training-jobs", status_code=201, summary="Train a model and register what comes out")
    def create_training_job(
        project: str,
        body: TrainingJobRequest,
        principal: Annotated[Principal, Depends(writes)],
        creation: Idempotency,
    ) -> Job:
        """Accepted at once and run when there is room: `schedule` says where it stands and when it will probably start.

        One that could never start is refused with the reason. `result` names the version that it made.
        """
        return service.create_training(
            project,
            body.recipe(),
            body.model,
            limits(body),
            **_by(principal, creation),
            placement=body.placement(),
            rules=body.rule_choices(),
        )

    @routes.post("/evaluation-jobs", status_code=201, summary="Measure model versions on held-out rows")
    def create_evaluation_job(
        project: str,
        body: EvaluationJobRequest,
        principal: Annotated[Principal, Depends(writes)],
        creation: Idempotency,
    ) -> Job:
        """Every candidate on every channel, on rows that none of them has trained on. `result` holds the figures."""
        return service.create_comparison(
            project,
            JobKind.EVALUATION,
            body.recipe(),
            limits(body),
            **_by(principal, creation),
            placement=body.placement(),
        )

    @routes.post("/replay-jobs", status_code=201, summary="Send captured requests to two versions and compare them")
    def create_replay_job(
        project: str,
        body: ReplayJobRequest,
        principal: Annotated[Principal, Depends(writes)],
        creation: Idempotency,
    ) -> Job:
        """The running version and the one that wants to run. `result` says which answers changed, failures and times.

        The channel "requests" is a dataset of captured requests, as each retraining run makes one.
        """
        return service.create_comparison(
            project, JobKind.REPLAY, body.recipe(), limits(body), **_by(principal, creation), placement=body.placement()
        )

    @routes.get("/jobs", summary="List jobs, newest first")
    def list_jobs(
        project: str,
        _: Annotated[Principal, Depends(reads)],
        page: PageParameters,
        status: Annotated[JobStatus | None, Query(description="Only jobs in this state.")] = None,
        kind: Annotated[JobKind | None, Query(description="Only jobs of this kind.")] = None,
    ) -> Page[Job]:
        """Jobs of every kind, each with the status that was checked against its process just now."""
        return service.list(project, status=status, kind=kind, page=page)

    @routes.get("/jobs/{job_id}", summary="Show a job: its status, its metrics, and why it ended")
    def get_job(project: str, job_id: str, _: Annotated[Principal, Depends(reads)]) -> Job:
        """`end` has the cause (exit, signal, out of memory, time limit, lost, ...) and the last lines of its output."""
        return service.get(project, job_id)

    @routes.post("/jobs/{job_id}/stop", status_code=202, summary="Ask a job to stop")
    def stop_job(project: str, job_id: str, _: Annotated[Principal, Depends(writes)]) -> Job:
        """Its process gets a moment to end and is killed then. What it did so far is lost."""
        return service.stop(project, job_id)

    @routes.get("/jobs/{job_id}/metrics", summary="Live metric values in order of arrival")
    def list_metrics(
        project: str, job_id: str, _: Annotated[Principal, Depends(reads)], page: PageParameters
    ) -> Page[MetricPoint]:
        """Values that the job logged while it runs, such as the loss of each epoch."""
        return service.metrics(project, job_id, page)

    @routes.get("/jobs/{job_id}/logs", summary="What the job printed", response_class=StreamingResponse)
    def read_logs(
        project: str,
        job_id: str,
        _: Annotated[Principal, Depends(reads)],
        follow: Annotated[bool, Query(description="Keep the answer open until the job has ended.")] = False,
        offset: Annotated[int, Query(ge=0, description="Byte to start from.")] = 0,
        rank: Annotated[int, Query(ge=0, description="Member of a gang on several machines.")] = 0,
    ) -> StreamingResponse:
        """Plain text. The newest 48 MiB at least are kept; `offset` counts from the first byte that was printed."""
        service.logs(project, job_id, offset, rank)
        read = partial(service.logs, project, job_id, rank=rank)
        return StreamingResponse(_lines(read, offset, follow), media_type="text/plain")

    return routes


class _Maker(TypedDict):
    created_by: str
    creation: Creation | None


def _by(principal: Principal, creation: Creation | None) -> _Maker:
    return _Maker(created_by=principal.name, creation=creation)


def _lines(read: Callable[[int], tuple[LogChunk, bool]], offset: int, follow: bool) -> Iterator[str]:
    while True:
        chunk, is_open = read(offset)
        if chunk.next_offset > offset:
            offset = chunk.next_offset
            yield chunk.text
        elif follow and is_open:
            time.sleep(FOLLOW_SECONDS)
        else:
            return
