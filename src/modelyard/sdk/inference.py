"""Calling models. The hot path: one request per prediction, straight to the gateway."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from modelyard.errors import InvalidInputError
from modelyard.sdk.calls import Mode, call
from modelyard.sdk.inputs import EndpointDescription, infer_body, to_inputs
from modelyard.sdk.predictions import Output, Predictions, Value
from modelyard.sdk.resource import OPERATIONS, Resource, act, at, decode, encode, send
from modelyard.sdk.resources.endpoints import Endpoints, Truth
from modelyard.sdk.steps import Flow, Request
from modelyard.types.evaluation.explanations import ExplainedInference
from modelyard.types.monitoring import FeedbackReceipt, ReferencePrediction
from modelyard.types.tensors import JsonTensor

_GATEWAY = "/v2/models"
_REFERENCE_SECONDS = 600.0
_ANSWER_SECONDS = 60.0
_PROJECT_HEADER = "X-Modelyard-Project"


class _Output(msgspec.Struct):
    name: str
    datatype: str
    shape: tuple[int, ...]
    data: list[Value]


class _Answer(msgspec.Struct):
    outputs: list[_Output]


class Inference(Resource[Mode]):
    """What a client can do by itself: predict, and say later what was true."""

    def __init__(self, driver: Any, project: str) -> None:
        super().__init__(driver, project)
        self._descriptions: dict[str, EndpointDescription] = {}

    @call
    def predict(
        self,
        endpoint: str,
        data: Any,
        *,
        variant: str | None = None,
        explain: bool = False,
        explain_seconds: float = 5.0,
    ) -> Flow[Predictions]:
        """Ask an endpoint.

        Args:
            endpoint: its name.
            data: a NumPy array or nested lists (a batch, or one row); a dict of arrays by input name; a dict or a list
                of dicts of column names to values, or a dict of equally long lists by column; CSV text with a header,
                or the path of a CSV file.
            variant: ask this variant (or version number) instead of the one that the traffic weights choose.
            explain: also why: `explanations` of each row, of at most 16. Goes through the Operations API.
            explain_seconds: how long the explanations may take in all.

        Returns:
            A sequence of predictions, one per row, with labels and confidences; `inference_id` is for feedback.

        Raises:
            InvalidInputError: the data do not fit; the message names tensor or column, and what was expected.
            NotFoundError: no such endpoint.
            OverloadedError, UnavailableError: after several tries.
        """
        is_cached = endpoint in self._descriptions
        description = yield from self._describe(endpoint)
        if explain:
            return (yield from self._explained(description, data, variant, explain_seconds))
        try:
            return (yield from self._infer(description, data, variant))
        except InvalidInputError:
            # The endpoint may have got a model with another signature since it was described.
            fresh = (yield from self._describe(endpoint, is_fresh=True)) if is_cached else description
            if fresh == description:
                raise
            return (yield from self._infer(fresh, data, variant))

    @call
    def predict_from(
        self,
        endpoint: str,
        *,
        dataset: str | None = None,
        object: str | None = None,
        url: str | None = None,
        format: str | None = None,
        variant: str | None = None,
    ) -> Flow[list[ReferencePrediction]]:
        """Ask an endpoint about data that the platform fetches itself: one answer, or error, per row.

        Args:
            endpoint: its name.
            dataset: a dataset version ("houses:3").
            object: the key of an object under `inputs/<project>/` in the platform's store.
            url: an `https://` address that the platform's operator allows.
            format: "csv" or "parquet", where the name does not say it.
            variant: ask this variant (or version number).
        """
        source = {"dataset": dataset, "object": object, "url": url}
        body = {
            "source": {name: value for name, value in source.items() if value is not None},
            "format": format,
            "variant": variant,
        }
        request = Request(
            method="POST",
            path=self._path(OPERATIONS, "endpoints", endpoint, "predictions"),
            headers={"Content-Type": "application/json"},
            content=encode(body),
            timeout_seconds=_REFERENCE_SECONDS,
        )
        response = yield from send(request)
        return [decode(line, ReferencePrediction) for line in response.content.splitlines()]

    @call
    def feedback(self, endpoint: str, truth: Mapping[str, Truth]) -> Flow[FeedbackReceipt]:
        """Send what turned out to be true: inference id -> label or value (a list of them for several rows)."""
        return Endpoints.feedback.flow(Endpoints(self._driver, self._project), endpoint, truth)

    @call
    def describe(self, endpoint: str) -> Flow[EndpointDescription]:
        """Inputs and outputs of an endpoint."""
        return self._describe(endpoint, is_fresh=True)

    def _describe(self, endpoint: str, *, is_fresh: bool = False) -> Flow[EndpointDescription]:
        known = self._descriptions.get(endpoint)
        if known is None or is_fresh:
            request = Request(method="GET", path=at(_GATEWAY, endpoint), headers={_PROJECT_HEADER: self._project})
            response = yield from send(request)
            known = self._descriptions[endpoint] = decode(response.content, EndpointDescription)
        return known

    def _infer(self, description: EndpointDescription, data: Any, variant: str | None) -> Flow[Predictions]:
        body, headers = infer_body(to_inputs(description, data))
        versions = ("versions", variant) if variant else ()
        request = Request(
            method="POST",
            path=at(_GATEWAY, description.name, *versions, "infer"),
            headers={**headers, _PROJECT_HEADER: self._project},
            content=body,
        )
        response = yield from send(request)
        return Predictions(
            inference_id=response.headers.get("x-modelyard-inference-id", ""),
            endpoint=description.name,
            model=response.headers.get("x-modelyard-model", ""),
            variant=response.headers.get("x-modelyard-variant", ""),
            outputs=_outputs(description, decode(response.content, _Answer).outputs),
        )

    def _explained(
        self, description: EndpointDescription, data: Any, variant: str | None, seconds: float
    ) -> Flow[Predictions]:
        tensors = to_inputs(description, _plain(data))
        body = {
            "inputs": {tensor.name: _nested(tensor.data or [], tensor.shape) for tensor in tensors},
            "variant": variant,
            "seconds": seconds,
        }
        path = self._path(OPERATIONS, "endpoints", description.name, "explained-inferences")
        found = yield from act(ExplainedInference, path, body, timeout_seconds=seconds + _ANSWER_SECONDS)
        error = found.explanation_error
        return Predictions(
            inference_id=found.inference_id,
            endpoint=description.name,
            model=found.version,
            variant=found.variant,
            outputs=_outputs(description, found.outputs),
            explanations=found.explanations,
            explanation_error=error["message"] if error else "",
        )


def _outputs(description: EndpointDescription, given: Iterable[_Output | JsonTensor]) -> dict[str, Output]:
    columns = {spec.name: spec.columns for spec in description.outputs}
    return {
        each.name: Output(
            name=each.name,
            datatype=each.datatype,
            shape=each.shape,
            data=[*each.data],
            columns=columns.get(each.name, ()),
        )
        for each in given
    }


def _plain(data: Any) -> Any:
    """Arrays as lists: an explanation is asked for in JSON."""
    if isinstance(data, Mapping):
        return {name: _plain(value) for name, value in data.items()}
    return data.tolist() if hasattr(data, "tolist") else data


def _nested(values: Sequence[Any], shape: Sequence[int]) -> list[Any]:
    """Flat, row-major values as lists of lists."""
    if len(shape) <= 1:
        return [*values]
    size = len(values) // shape[0] if shape[0] else 0
    return [_nested(values[row * size : (row + 1) * size], shape[1:]) for row in range(shape[0])]
