"""Routes of feedback and live metrics."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from modelyard.control.feedback.history import QualityHistory
from modelyard.control.feedback.quality import QualityService
from modelyard.control.feedback.schemas import FeedbackCreate
from modelyard.control.feedback.service import FeedbackService, NewTruth
from modelyard.control.rest.guard import Guard
from modelyard.types.access import Action
from modelyard.types.monitoring import FeedbackReceipt, LiveMetrics, QualityPoint


def router(service: FeedbackService, quality: QualityService, history: QualityHistory, guard: Guard) -> APIRouter:
    """/projects/{project}/endpoints/{endpoint}/feedback and .../metrics."""
    routes = APIRouter(prefix="/projects/{project}/endpoints/{endpoint}", tags=["feedback"])

    @routes.post("/feedback", summary="Send ground truth", dependencies=[Depends(guard.require(Action.WRITE))])
    def send_feedback(project: str, endpoint: str, body: FeedbackCreate) -> FeedbackReceipt:
        """What turned out to be true, by inference id; minutes or months after the answer.

        Sending the same again is harmless. Where another value was known, the newest counts.
        """
        items = [
            NewTruth(item.inference_id, item.truth if isinstance(item.truth, list) else [item.truth])
            for item in body.items
        ]
        return service.record(project, endpoint, items)

    @routes.get("/metrics", summary="Live quality per version", dependencies=[Depends(guard.require(Action.READ))])
    def get_metrics(
        project: str,
        endpoint: str,
        window: Annotated[str, Query(description="How far back: 90s, 15m, 24h, 7d.", examples=["24h"])] = "24h",
        since: Annotated[datetime | None, Query(description="First moment, instead of `window`.")] = None,
        until: Annotated[datetime | None, Query(description="Last moment; now if left out.")] = None,
    ) -> list[LiveMetrics]:
        """Accuracy (or MAE and RMSE) on the rows whose truth is known, with 95 % intervals."""
        return quality.metrics(project, endpoint, window, since=since, until=until)

    @routes.get("/metrics/history", summary="Quality over time", dependencies=[Depends(guard.require(Action.READ))])
    def get_history(
        project: str,
        endpoint: str,
        window: Annotated[str, Query(description="How far back: 24h, 7d.", examples=["7d"])] = "7d",
        points: Annotated[int, Query(ge=1, le=100, description="Into how many stretches.")] = 7,
    ) -> list[QualityPoint]:
        """Every metric that the answers allow, stretch by stretch, with 95 % intervals, on rows with known truth."""
        return history.points(project, endpoint, window, points)

    return routes
