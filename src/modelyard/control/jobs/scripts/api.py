"""Routes of script jobs, their code and what they leave."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from modelyard.control.jobs.scripts.schemas import ScriptJobRequest
from modelyard.control.jobs.scripts.service import ScriptJobService
from modelyard.control.rest.dependencies import Idempotency
from modelyard.control.rest.guard import Guard
from modelyard.control.rest.pages import Page
from modelyard.settings import Settings
from modelyard.types.access import Action, Principal
from modelyard.types.jobs import Job
from modelyard.types.scripting.recipes import OutputFile, Snapshot

_BYTES = {"schema": {"type": "string", "format": "binary"}}
_ZIP_BODY = {"requestBody": {"required": True, "content": {"application/zip": _BYTES}}}
_ANY_BYTES: dict[int | str, dict[str, Any]] = {200: {"content": {"application/octet-stream": _BYTES}}}


def router(service: ScriptJobService, guard: Guard, settings: Settings) -> APIRouter:
    """/projects/{project}/script-jobs, /snapshots and /jobs/{job_id}/output."""
    routes = APIRouter(prefix="/projects/{project}", tags=["jobs"])
    reads = Depends(guard.require(Action.READ))

    @routes.post(
        "/snapshots",
        status_code=201,
        summary="Send code that jobs are to run",
        openapi_extra=_ZIP_BODY,
        dependencies=[Depends(guard.require(Action.WRITE))],
    )
    async def create_snapshot(project: str, request: Request) -> Snapshot:
        """A zip file of at most 16 MiB. It is kept by its `digest`: the same content again is the same snapshot."""
        content = await request.body()
        return await run_in_threadpool(service.add_snapshot, project, content)

    @routes.post("/script-jobs", status_code=201, summary="Run a script or an image")
    def create_script_job(
        project: str,
        body: ScriptJobRequest,
        principal: Annotated[Principal, Depends(guard.require(Action.WRITE))],
        creation: Idempotency,
    ) -> Job:
        """Accepted at once and run when there is room. The project must permit code.

        `result` says what it made: `model_version`, `dataset`, and how many `output_files`. A job that is preempted or
        lost is begun again and finds the folder MODELYARD_CHECKPOINTS as it left it.
        """
        limits = body.limits(settings.job_memory_bytes, settings.job_time_limit_seconds)
        return service.create(
            project,
            body.recipe(),
            body.script(),
            body.model,
            limits,
            created_by=principal.name,
            creation=creation,
            placement=body.placement(),
            rules=body.rule_choices(),
        )

    @routes.get("/jobs/{job_id}/output", summary="List the files that a job has left", dependencies=[reads])
    def list_output(project: str, job_id: str) -> Page[OutputFile]:
        """`output/...`, and `model/...` if no model was made of that. All at once; none before it has completed."""
        return Page(items=service.output(project, job_id), next_cursor=None)

    @routes.get(
        "/jobs/{job_id}/output/{path:path}",
        summary="Download a file that a job has left",
        response_class=StreamingResponse,
        responses=_ANY_BYTES,
        dependencies=[reads],
    )
    def download_output(project: str, job_id: str, path: str) -> StreamingResponse:
        """Its bytes."""
        return StreamingResponse(service.stream(project, job_id, path), media_type="application/octet-stream")

    return routes
