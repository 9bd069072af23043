"""Route of inference by reference."""

from collections.abc import Iterator

import msgspec
from fastapi import APIRouter, Depends, Request
from starlette.responses import StreamingResponse

from modelyard.control.predictions.schemas import PredictionsCreate
from modelyard.control.predictions.service import PredictionService
from modelyard.control.rest.guard import Guard
from modelyard.types.access import Action
from modelyard.types.monitoring import ReferencePrediction

_MEDIA_TYPE = "application/x-ndjson"


def router(service: PredictionService, guard: Guard) -> APIRouter:
    """/projects/{project}/endpoints/{endpoint}/predictions."""
    routes = APIRouter(prefix="/projects/{project}/endpoints/{endpoint}/predictions", tags=["inferences"])

    @routes.post(
        "",
        summary="Answer data by reference",
        response_class=StreamingResponse,
        responses={200: {"description": "A line per row.", "content": {_MEDIA_TYPE: {"schema": {"type": "string"}}}}},
        dependencies=[Depends(guard.require(Action.INFER))],
    )
    def answer_reference(project: str, endpoint: str, body: PredictionsCreate, request: Request) -> StreamingResponse:
        """The request names its data: a dataset version, an object, or a file at an allowed `https://` address.

        Answers with JSON Lines as they are known: `row` (from 0), and `prediction` with `inference_id` and `place` (the
        row's place in that inference, for feedback), or `error` with `code` and `message`. The rows pass through the
        gateway like any request: the same rules, batches and captures. Columns that the model does not take are left
        out.
        """
        answers = service.answer(project, endpoint, body, request.headers["Authorization"])
        return StreamingResponse(_encoded(answers), media_type=_MEDIA_TYPE)

    return routes


def _encoded(answers: Iterator[ReferencePrediction]) -> Iterator[bytes]:
    encoder = msgspec.json.Encoder()
    for answer in answers:
        yield encoder.encode(answer) + b"\n"
