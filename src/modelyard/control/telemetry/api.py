"""Routes of telemetry: the control process's figures, and OTLP over HTTP from outside."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from starlette.concurrency import run_in_threadpool

from modelyard.control.rest.guard import Guard
from modelyard.control.telemetry import otlp
from modelyard.control.telemetry.figures import CONTENT_TYPE, ControlFigures
from modelyard.control.telemetry.receiving import TelemetryReceiver
from modelyard.types.access import Action, Principal

_BODY = {
    "requestBody": {
        "required": True,
        "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in (otlp.PROTOBUF, otlp.JSON)},
    }
}
_FAULTS_SHOWN = 5


def figures_router(figures: ControlFigures, guard: Guard) -> APIRouter:
    """/metrics."""
    routes = APIRouter(tags=["health"], dependencies=[Depends(guard.require(Action.READ))])

    @routes.get("/metrics", summary="Figures for Prometheus", response_class=Response)
    def get_figures() -> Response:
        """Requests and recurring work of this process and, in Operations, its workers and the capture spool.

        The gateway has figures of its own at `/metrics`.
        """
        return Response(figures.render(), media_type=CONTENT_TYPE)

    return routes


def otlp_router(receiver: TelemetryReceiver, guard: Guard) -> APIRouter:
    """/projects/{project}/otlp/v1."""
    routes = APIRouter(prefix="/projects/{project}/otlp/v1", tags=["telemetry"])
    writing = guard.require(Action.WRITE)

    @routes.post("/traces", summary="Take spans", openapi_extra=_BODY, response_class=Response)
    async def take_traces(
        project: str, principal: Annotated[Principal, Depends(writing)], request: Request
    ) -> Response:
        """OTLP over HTTP: set an exporter's endpoint to `/operations/v1/projects/<project>/otlp`.

        Spans, and events of spans, with the attribute `modelyard.endpoint` are feedback (`modelyard.inference.id`,
        `modelyard.truth`) or inferences that were answered elsewhere (`modelyard.model`, `modelyard.outputs`,
        `modelyard.inputs`). Others are left alone. What could not be taken is a partial success, with the reasons.
        """
        return await _taken(receiver, project, principal, request, "trace")

    @routes.post("/logs", summary="Take log records", openapi_extra=_BODY, response_class=Response)
    async def take_logs(project: str, principal: Annotated[Principal, Depends(writing)], request: Request) -> Response:
        """The same for log records."""
        return await _taken(receiver, project, principal, request, "logs")

    return routes


async def _taken(
    receiver: TelemetryReceiver, project: str, principal: Principal, request: Request, signal: str
) -> Response:
    body = await request.body()
    content_type = request.headers.get("Content-Type", "")
    read = otlp.spans if signal == "trace" else otlp.log_records

    def take() -> bytes:
        items = read(body, content_type, request.headers.get("Content-Encoding", ""))
        faults = receiver.take(project, items, body, principal.id)
        shown = "; ".join(dict.fromkeys(faults[:_FAULTS_SHOWN]))
        return otlp.answer(signal, len(faults), shown, content_type)

    content = await run_in_threadpool(take)
    return Response(content, media_type=content_type.partition(";")[0].strip())
