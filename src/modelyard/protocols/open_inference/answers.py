"""Inference answers: JSON, or JSON with the tensors' bytes behind it."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from modelyard.dataplane.gateway.dialect import AnswerContext, InferenceCall, Reply
from modelyard.dataplane.tensors import WireTensor
from modelyard.protocols.outputs import NUMPY_JSON, flat_values
from modelyard.types.signatures import DataType

Wanted = dict[str, bool]
"""Output name -> is it to be binary. Empty: all outputs as JSON."""

_JSON = b"application/json"
_BINARY = b"application/octet-stream"
_NAMES = {datatype: datatype.value for datatype in DataType}  # orjson is slower with members of an enum


class Call(InferenceCall):
    """One request of the protocol."""

    __slots__ = ("_id", "_wanted")

    def __init__(self, inputs: tuple[WireTensor, ...], rows: int, id: str | None, wanted: Wanted) -> None:
        self.inputs = inputs
        self.rows = rows
        self.timeout_seconds = None
        self._id = id
        self._wanted = wanted

    def reply(self, outputs: Sequence[WireTensor], inference_id: str, context: AnswerContext) -> Reply:
        """See InferenceCall."""
        answer: dict[str, Any] = {
            "model_name": context.endpoint,
            "model_version": context.version,
            "id": self._id if self._id is not None else inference_id,
        }
        if not self._wanted:
            answer["outputs"] = [
                {"name": t.name, "datatype": _NAMES[t.datatype], "shape": t.shape, "data": flat_values(t)}
                for t in outputs
            ]
            return Reply(_JSON, orjson.dumps(answer, option=NUMPY_JSON))
        return self._selected(answer, {tensor.name: tensor for tensor in outputs})

    def _selected(self, answer: dict[str, Any], outputs: Mapping[str, WireTensor]) -> Reply:
        described, chunks = [], []
        for name, is_binary in self._wanted.items():
            tensor = outputs[name]
            message: dict[str, Any] = {"name": name, "datatype": _NAMES[tensor.datatype], "shape": tensor.shape}
            if is_binary:
                message["parameters"] = {"binary_data_size": len(tensor.data)}
                chunks.append(tensor.data)
            else:
                message["data"] = flat_values(tensor)
            described.append(message)
        answer["outputs"] = described
        head = orjson.dumps(answer, option=NUMPY_JSON)
        if not chunks:
            return Reply(_JSON, head)
        return Reply(_BINARY, b"".join((head, *chunks)), b"inference-header-content-length: %d\r\n" % len(head))
