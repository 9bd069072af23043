"""`POST /v1/embeddings`."""

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson

from modelyard.dataplane.errors import JsonInvalidError, ModelNotSuitableError
from modelyard.dataplane.gateway.dialect import AnswerContext, InferenceCall, Reply
from modelyard.dataplane.tensors import OutputRows, WireTensor
from modelyard.protocols.openai.requests import check_parameters, texts_of
from modelyard.protocols.openai.texts import is_embedder, not_suitable, text_tensors
from modelyard.protocols.outputs import NUMPY_JSON
from modelyard.types.signatures import Signature

_FORMATS = ("float", "base64")
# Tokens are the model's own affair and are not counted; clients expect the field.
_USAGE = {"prompt_tokens": 0, "total_tokens": 0}


class EmbeddingsCall(InferenceCall):
    """A request for the vectors of some texts."""

    __slots__ = ("_is_base64",)

    def __init__(self, inputs: tuple[WireTensor, ...], rows: int, *, is_base64: bool) -> None:
        self.inputs = inputs
        self.rows = rows
        self.timeout_seconds = None
        self._is_base64 = is_base64

    def reply(self, outputs: Sequence[OutputRows], inference_id: str, context: AnswerContext) -> Reply:
        """See InferenceCall."""
        del inference_id
        vectors = outputs[0].to_array().astype("<f4")
        data = [
            {"object": "embedding", "index": index, "embedding": self._vector(vector)}
            for index, vector in enumerate(vectors)
        ]
        body = {"object": "list", "data": data, "model": context.endpoint, "usage": _USAGE}
        return Reply(b"application/json", orjson.dumps(body, option=NUMPY_JSON))

    def _vector(self, vector: Any) -> Any:
        contiguous = np.ascontiguousarray(vector)
        return base64.b64encode(contiguous.tobytes()).decode() if self._is_base64 else contiguous


def parse_embeddings(fields: dict[str, Any], signature: Signature) -> InferenceCall:
    """The call for a request.

    Raises:
        InvalidInputError: what is wrong, where, and what to send instead.
    """
    if not is_embedder(signature):
        raise not_suitable("embed text")
    check_parameters(fields, "input", "encoding_format", "dimensions")
    format = fields.get("encoding_format") or "float"  # noqa: A001 - the protocol's word
    if format not in _FORMATS:
        raise JsonInvalidError(
            "this encoding_format is not known", hint=f"Use one of {', '.join(_FORMATS)}.", field="encoding_format"
        )
    size = signature.outputs[0].shape[1]
    if fields.get("dimensions") not in (None, size):
        raise ModelNotSuitableError(
            f"the model answers {size} dimensions, and no other number", hint="Leave it out.", field="dimensions"
        )
    inputs, rows = text_tensors(signature, texts_of(fields, "input"))
    return EmbeddingsCall(inputs, rows, is_base64=format == "base64")
