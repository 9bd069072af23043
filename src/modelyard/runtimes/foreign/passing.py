"""A server that takes and gives whole bodies: they go through as they are, with the headers of SageMaker's contract.

Source: SageMaker Developer Guide, "How Your Container Responds to Inference Requests"; SageMaker runtime API,
InvokeEndpoint (headers).
"""

from collections.abc import Iterator, Mapping
from http.client import HTTPResponse

import numpy as np

from modelyard.runtimes.base import Ending, Parts, Tensor, Tensors
from modelyard.runtimes.foreign.runtime import ProgramPredictor
from modelyard.runtimes.foreign.server import HttpServer
from modelyard.types.serving.bodies import ACCEPT, ATTRIBUTES, BODY, CONTENT_TYPE, STATUS, TARGET

ATTRIBUTES_HEADER = "X-Amzn-SageMaker-Custom-Attributes"
TARGET_HEADER = "X-Amzn-SageMaker-Target-Model"
_HEADERS = {CONTENT_TYPE: "Content-Type", ACCEPT: "Accept", ATTRIBUTES: ATTRIBUTES_HEADER, TARGET: TARGET_HEADER}


class BodyPredictor(ProgramPredictor):
    """Asks the server for one body at a time. Not thread-safe. A status of failure is an answer, with its body."""

    def __init__(self, server: HttpServer) -> None:
        self._server = server

    def predict(self, inputs: Mapping[str, Tensor]) -> Tensors:
        """POST /invocations; the whole answer."""
        parts = list(self._ask(inputs))
        return _answer(parts[0][0], b"".join(part for _, part in parts))

    def stream(self, inputs: Mapping[str, Tensor]) -> Parts:
        """POST /invocations; the answer as the server sends it."""
        for response, part in self._ask(inputs):
            yield _answer(response, part)
        return Ending()

    def close(self) -> None:
        """End the server."""
        self._server.close()

    def _ask(self, inputs: Mapping[str, Tensor]) -> Iterator[tuple[HTTPResponse, bytes]]:
        headers = {header: str(inputs[name][0]) for name, header in _HEADERS.items() if str(inputs[name][0])}
        return self._server.exchange("/invocations", inputs[BODY].tobytes(), headers)


def _answer(response: HTTPResponse, body: bytes) -> Tensors:
    return {
        BODY: np.frombuffer(body, np.uint8).reshape(1, -1),
        CONTENT_TYPE: np.array([response.headers.get("Content-Type", "application/octet-stream")], dtype=object),
        ATTRIBUTES: np.array([response.headers.get(ATTRIBUTES_HEADER, "")], dtype=object),
        STATUS: np.array([response.status], np.int32),
    }
