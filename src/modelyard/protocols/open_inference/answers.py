"""Inference answers: JSON, or JSON with the tensors' bytes behind it."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from modelyard.dataplane.gateway.dialect import AnswerContext, InferenceCall, Reply
from modelyard.dataplane.tensors import OutputRows, WireTensor
from modelyard.protocols.outputs import NUMPY_JSON, flat_json, flat_values
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

    def reply(self, outputs: Sequence[OutputRows], inference_id: str, context: AnswerContext) -> Reply:
        """See InferenceCall."""
        answer: dict[str, Any] = {
            "model_name": context.endpoint,
            "model_version": context.version,
            "id": self._id if self._id is not None else inference_id,
        }
        if self._wanted:
            return self._selected(answer, {tensor.name: tensor for tensor in outputs})
        described = b",".join([_described(rows) for rows in outputs])
        return Reply(_JSON, b'%b,"outputs":[%b]}' % (orjson.dumps(answer)[:-1], described))

    def _selected(self, answer: dict[str, Any], outputs: Mapping[str, OutputRows]) -> Reply:
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


def _described(rows: OutputRows) -> bytes:
    """One output as JSON; what is the same for all requests of its batch is written once."""
    batch = rows.batch
    parts = batch.notes.get("described")
    if parts is None:
        tensor = batch.tensor
        head = orjson.dumps({"name": tensor.name, "datatype": _NAMES[tensor.datatype]})
        rest = "".join(f",{size}" for size in tensor.shape[1:]).encode()
        parts = batch.notes["described"] = (head[:-1] + b',"shape":[', rest + b'],"data":')
    count = b"%d" % rows.rows if batch.tensor.shape else b""
    return b"%b%b%b%b}" % (parts[0], count, parts[1], flat_json(rows))
