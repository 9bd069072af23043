"""Routes of captured inferences."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from modelyard.control.captures.batches import BatchFilter
from modelyard.control.captures.retention import CaptureRetention
from modelyard.control.captures.service import CaptureService
from modelyard.control.rest.dependencies import PageParameters
from modelyard.control.rest.guard import Guard
from modelyard.control.rest.pages import Page
from modelyard.types.access import Action
from modelyard.types.monitoring import CapturesDeleted, Inference

Since = Annotated[datetime | None, Query(description="Only what happened at or after this time.")]
Until = Annotated[datetime | None, Query(description="Only what happened at or before this time.")]

Variant = Annotated[str | None, Query(description="Only what this variant answered.")]
Version = Annotated[str | None, Query(description="Only what this version answered, e.g. `digits:2`.")]


def router(service: CaptureService, retention: CaptureRetention, guard: Guard) -> APIRouter:
    """/projects/{project}/endpoints/{endpoint}/inferences."""
    routes = APIRouter(
        prefix="/projects/{project}/endpoints/{endpoint}/inferences",
        tags=["inferences"],
        dependencies=[Depends(guard.require(Action.READ))],
    )

    @routes.get("", summary="List captured inferences")
    def list_inferences(
        project: str,
        endpoint: str,
        page: PageParameters,
        since: Since = None,
        until: Until = None,
        variant: Variant = None,
        version: Version = None,
    ) -> Page[Inference]:
        """Requests with their answers, the newest first, about two seconds after they happened.

        An endpoint records the share of its requests that `capture_share` states. `feedback` is the ground truth, once
        it was sent.
        """
        wanted = BatchFilter(
            project=project, endpoint=endpoint, since=since, until=until, variant=variant, version=version
        )
        return service.list(wanted, page)

    @routes.get("/{inference_id}", summary="Show a captured inference")
    def get_inference(project: str, endpoint: str, inference_id: str) -> Inference:
        """By the id that came with the answer (header `X-Modelyard-Inference-Id`)."""
        return service.get(project, endpoint, inference_id)

    @routes.delete("", summary="Delete captured inferences", dependencies=[Depends(guard.require(Action.OPERATE))])
    def delete_inferences(
        project: str,
        endpoint: str,
        until: Annotated[datetime, Query(description="Only what happened at or before this time.")],
        since: Since = None,
        variant: Variant = None,
        version: Version = None,
        principal: Annotated[str | None, Query(description="Only what the token with this id asked.")] = None,
    ) -> CapturesDeleted:
        """For good, with their ground truth. What a gateway has recorded and not handed over yet (two seconds) stays.

        By age they go by themselves: `capture.retention_days` of the endpoint, or the platform's setting.
        """
        wanted = BatchFilter(
            project=project,
            endpoint=endpoint,
            since=since,
            until=until,
            variant=variant,
            version=version,
            principal=principal,
        )
        return CapturesDeleted(inferences=retention.delete(wanted))

    return routes
