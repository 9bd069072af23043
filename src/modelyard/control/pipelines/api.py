"""Routes of pipelines and their runs."""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response, status

from modelyard.control.pipelines.runs import RunService
from modelyard.control.pipelines.schemas import DecisionRequest, PipelineChange, PipelineCreate, RunCreate
from modelyard.control.pipelines.service import PipelineService
from modelyard.control.rest.dependencies import Idempotency, IfMatch, PageParameters, set_etag
from modelyard.control.rest.guard import Guard
from modelyard.control.rest.pages import Page
from modelyard.types.access import Action, Principal
from modelyard.types.pipelines.definitions import KindDescription, Pipeline, PipelineDefinition
from modelyard.types.pipelines.runs import PipelineGraph, PipelineRun

Check = Callable[[Principal, str, PipelineDefinition], None]
PIPELINES, RUNS = "/projects/{project}/pipelines", "/projects/{project}/pipeline-runs"


def router(service: PipelineService, runs: RunService, guard: Guard, wake: Callable[[], None]) -> APIRouter:
    """/pipeline-step-kinds, /projects/{project}/pipelines and .../pipeline-runs. `wake` has new work seen at once."""
    routes = APIRouter(tags=["pipelines"])

    def check(principal: Principal, project: str, definition: PipelineDefinition) -> None:
        """A run acts for whoever starts or defines it: what changes the traffic takes an operator."""
        if service.needs_operator(definition):
            guard.check(principal, Action.OPERATE, project)

    @routes.get(
        "/pipeline-step-kinds", summary="List the kinds of steps", dependencies=[Depends(guard.require(Action.READ))]
    )
    def list_kinds() -> Page[KindDescription]:
        """What each takes and gives, by name and type."""
        return Page(items=list(service.kinds.values()), next_cursor=None)

    _keeping(routes, service, guard)
    _defining(routes, service, guard, check, wake)
    _starting(routes, service, runs, guard, check, wake)
    _running(routes, runs, guard, wake)
    return routes


def _keeping(routes: APIRouter, service: PipelineService, guard: Guard) -> None:
    reads, writes = guard.require(Action.READ), guard.require(Action.WRITE)

    @routes.get(PIPELINES, summary="List pipelines", dependencies=[Depends(reads)])
    def list_pipelines(project: str, page: PageParameters) -> Page[Pipeline]:
        """By name."""
        return service.list(project, page)

    @routes.get(PIPELINES + "/{pipeline}", summary="Show a pipeline", dependencies=[Depends(reads)])
    def get_pipeline(project: str, pipeline: str, response: Response) -> Pipeline:
        """Its definition. The answer's ETag header is what If-Match takes in a change."""
        found = service.get(project, pipeline)
        set_etag(response, found.version)
        return found

    @routes.get(PIPELINES + "/{pipeline}/graph", summary="Show a pipeline as a graph", dependencies=[Depends(reads)])
    def get_graph(project: str, pipeline: str) -> PipelineGraph:
        """Steps as nodes; an edge for everything that one waits for."""
        return service.graph(project, pipeline)

    @routes.delete(
        PIPELINES + "/{pipeline}",
        summary="Delete a pipeline",
        status_code=status.HTTP_204_NO_CONTENT,
        dependencies=[Depends(writes)],
    )
    def delete_pipeline(project: str, pipeline: str, expected_version: IfMatch) -> None:
        """Its runs stay, and those under way go on."""
        service.delete(project, pipeline, expected_version)


def _defining(
    routes: APIRouter, service: PipelineService, guard: Guard, check: Check, wake: Callable[[], None]
) -> None:
    writes = guard.require(Action.WRITE)

    @routes.post(PIPELINES, summary="Create a pipeline", status_code=status.HTTP_201_CREATED)
    def create_pipeline(
        project: str,
        body: PipelineCreate,
        principal: Annotated[Principal, Depends(writes)],
        creation: Idempotency,
        response: Response,
    ) -> Pipeline:
        """Steps with typed inputs and outputs. What does not fit is refused with the field that is at fault.

        With steps that deploy or notify it takes an operator.
        """
        definition = body.definition()
        check(principal, project, definition)
        pipeline = service.create(
            project,
            body.name,
            definition,
            description=body.description,
            created_by=principal.name,
            creation=creation,
        )
        wake()
        set_etag(response, pipeline.version)
        return pipeline

    @routes.put(PIPELINES + "/{pipeline}", summary="Replace a pipeline's definition")
    def change_pipeline(
        project: str,
        pipeline: str,
        body: PipelineChange,
        principal: Annotated[Principal, Depends(writes)],
        expected_version: IfMatch,
        response: Response,
    ) -> Pipeline:
        """Runs under way keep the definition that they began with."""
        definition = body.definition()
        check(principal, project, definition)
        changed = service.change(
            project,
            pipeline,
            definition,
            description=body.description,
            changed_by=principal.name,
            expected_version=expected_version,
        )
        wake()
        set_etag(response, changed.version)
        return changed


def _starting(
    routes: APIRouter, service: PipelineService, runs: RunService, guard: Guard, check: Check, wake: Callable[[], None]
) -> None:
    @routes.post(PIPELINES + "/{pipeline}/runs", summary="Run a pipeline", status_code=status.HTTP_201_CREATED)
    def start_run(
        project: str,
        pipeline: str,
        body: RunCreate,
        principal: Annotated[Principal, Depends(guard.require(Action.WRITE))],
        creation: Idempotency,
    ) -> PipelineRun:
        """Accepted at once. Steps whose content has not changed are taken from earlier runs; `cache` says why not."""
        found = service.get(project, pipeline)
        check(principal, project, found.definition)
        run = runs.start(
            found,
            body.parameters,
            created_by=principal.name,
            cause=f"Started by {principal.name}.",
            uses_cache=body.use_cache,
            creation=creation,
        )
        wake()
        return run


def _running(routes: APIRouter, runs: RunService, guard: Guard, wake: Callable[[], None]) -> None:
    reads, writes, operates = (guard.require(action) for action in (Action.READ, Action.WRITE, Action.OPERATE))

    @routes.get(RUNS, summary="List runs of pipelines, newest first", dependencies=[Depends(reads)])
    def list_runs(
        project: str,
        page: PageParameters,
        pipeline: Annotated[str | None, Query(description="Only runs of this pipeline.")] = None,
    ) -> Page[PipelineRun]:
        """Without their steps."""
        return runs.list(project, pipeline, page)

    @routes.get(RUNS + "/{run_id}", summary="Show a run and its steps", dependencies=[Depends(reads)])
    def get_run(project: str, run_id: str) -> PipelineRun:
        """Each step with its inputs as resolved, its outputs, why it is as it is, and why it was computed anew."""
        return runs.get(project, run_id)

    @routes.get(RUNS + "/{run_id}/graph", summary="Show a run as a graph", dependencies=[Depends(reads)])
    def get_run_graph(project: str, run_id: str) -> PipelineGraph:
        """Steps as nodes with their states."""
        return runs.graph(project, run_id)

    @routes.post(RUNS + "/{run_id}/stop", status_code=202, summary="Ask a run to stop")
    def stop_run(project: str, run_id: str, _: Annotated[Principal, Depends(writes)]) -> PipelineRun:
        """Jobs of its steps are stopped, and nothing more begins. A rollout that has begun goes on."""
        run = runs.stop(project, run_id)
        wake()
        return run

    @routes.post(RUNS + "/{run_id}/steps/{step}/decision", summary="Approve or reject a step that waits for it")
    def decide(
        project: str,
        run_id: str,
        step: str,
        body: DecisionRequest,
        principal: Annotated[Principal, Depends(operates)],
    ) -> PipelineRun:
        """The first decision counts; who said what stays in the record."""
        run = runs.decide(project, run_id, step, is_approved=body.approve, by=principal.name, comment=body.comment)
        wake()
        return run
