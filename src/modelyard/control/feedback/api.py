"""Routes of feedback and live metrics."""

from contextlib import closing, suppress
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from modelyard.control.feedback.files import READERS, FeedbackIntake, reader_for
from modelyard.control.feedback.history import QualityHistory
from modelyard.control.feedback.quality import QualityService, parse_window
from modelyard.control.feedback.schemas import FeedbackCreate
from modelyard.control.feedback.service import FeedbackService, NewTruth
from modelyard.control.rest.guard import Guard
from modelyard.types.access import Action
from modelyard.types.monitoring import FeedbackFileReceipt, FeedbackReceipt, FeedbackSummary, LiveMetrics, QualityPoint

_FILE_BODY = {
    "requestBody": {
        "required": True,
        "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in READERS},
    }
}


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

    @routes.post(
        "/feedback/files",
        summary="Send a file or stream of ground truth",
        openapi_extra=_FILE_BODY,
        dependencies=[Depends(guard.require(Action.WRITE))],
    )
    async def send_feedback_file(project: str, endpoint: str, request: Request) -> FeedbackFileReceipt:
        """CSV with a header, JSON Lines, or Parquet, with `inference_id` and `truth`.

        In CSV the lines of one inference that follow each other are the rows of its request; elsewhere `truth` is a
        value or a list. What arrived is taken while the rest is still coming, so JSON Lines and CSV may also be a
        stream that lasts. A line that cannot be taken is refused with its number and disturbs no other.
        """
        reader = reader_for(request.headers.get("Content-Type", ""))
        intake = FeedbackIntake(service, project, endpoint, reader)
        with closing(intake):
            with suppress(ClientDisconnect):  # nobody hears the answer; what came is taken
                async for chunk in request.stream():
                    if chunk:
                        await run_in_threadpool(intake.feed, chunk)
            return await run_in_threadpool(intake.finish)

    @routes.get("/feedback", summary="Count ground truth", dependencies=[Depends(guard.require(Action.READ))])
    def get_feedback_summary(
        project: str,
        endpoint: str,
        late_after: Annotated[
            str, Query(description="Truth that came later than this after its answer counts as late.", examples=["7d"])
        ] = "7d",
    ) -> FeedbackSummary:
        """How much came, for how many captured inferences, how late, how often twice or different.

        Truth whose inference is not among the captures is `pending` for a day (MODELYARD_FEEDBACK_PENDING_HOURS):
        captures may come later than truth. Then it is `unknown`; it counts again should the capture come after all.
        """
        return service.summary(project, endpoint, parse_window(late_after))

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
