"""Routes of queries over captures."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from starlette.background import BackgroundTask
from starlette.responses import FileResponse

from modelyard.control.captures.batches import BatchFilter
from modelyard.control.queries.schemas import QueryCreate
from modelyard.control.queries.service import QueryService
from modelyard.control.rest.guard import Guard
from modelyard.types.access import Action
from modelyard.types.monitoring import QueryAnswer

_FILE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file.",
        "content": {
            kind: {"schema": {"type": "string", "format": "binary"}}
            for kind in ("text/csv", "application/vnd.apache.parquet")
        },
    }
}


def router(service: QueryService, guard: Guard) -> APIRouter:
    """/projects/{project}/endpoints/{endpoint}/captures."""
    routes = APIRouter(
        prefix="/projects/{project}/endpoints/{endpoint}/captures",
        tags=["inferences"],
        dependencies=[Depends(guard.require(Action.READ))],
    )

    @routes.post("/query", summary="Query captured inferences")
    def query_captures(project: str, endpoint: str, body: QueryCreate) -> QueryAnswer:
        """One SELECT, in DuckDB's SQL, over the table `inferences`: one row per row of a request.

        Its columns: `inference_id`, `row_index`, `request_rows`, `happened_at`, `variant`, `version`, `principal`,
        `trace_id`, `parent_span_id`, `latency_ms` and its parts `queue_ms`, `batch_ms`, `model_ms`; the inputs under
        their names; the outputs as `answer_...`; `truth` as text. It runs in a process of its own with limits on memory
        and time, and can reach nothing but this table.
        """
        wanted = BatchFilter(
            project=project,
            endpoint=endpoint,
            since=body.since,
            until=body.until,
            variant=body.variant,
            version=body.version,
        )
        return service.query(wanted, body.sql, body.limit)

    @routes.get("/export", summary="Export captured inferences", response_class=FileResponse, responses=_FILE)
    def export_captures(
        project: str,
        endpoint: str,
        format: Annotated[Literal["csv", "parquet"], Query(description="Of the file.")] = "parquet",
        since: Annotated[datetime | None, Query(description="Only what happened at or after this time.")] = None,
        until: Annotated[datetime | None, Query(description="Only what happened at or before this time.")] = None,
        variant: Annotated[str | None, Query(description="Only what this variant answered.")] = None,
        version: Annotated[str | None, Query(description="Only what this version answered, e.g. `digits:2`.")] = None,
        where: Annotated[
            str | None,
            Query(max_length=20_000, description="SQL condition over the columns of a query.", examples=["age > 50"]),
        ] = None,
    ) -> Any:
        """A file with the columns of a query; `where` chooses a slice."""
        wanted = BatchFilter(
            project=project, endpoint=endpoint, since=since, until=until, variant=variant, version=version
        )
        path = service.export(wanted, where, format)
        media_type = "text/csv" if format == "csv" else "application/vnd.apache.parquet"
        return FileResponse(
            path,
            media_type=media_type,
            filename=f"{endpoint}.{format}",
            background=BackgroundTask(path.unlink, missing_ok=True),
        )

    return routes
