"""Inference answers: JSON, or JSON with the tensors' bytes behind it."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import orjson

from modelyard.dataplane.gateway.dialect import AnswerContext, InferenceCall, Reply
from modelyard.dataplane.tensors import OutputRows, WireTensor
from modelyard.protocols.outputs import NUMPY_JSON, flat_json, flat_values, rows_json
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
        own_id = b'"%b"' % inference_id.encode() if self._id is None else orjson.dumps(self._id)
        opening = _opening(context.endpoint, context.version) + own_id
        if self._wanted:
            return self._selected(opening, {tensor.name: tensor for tensor in outputs})
        first = outputs[0]
        if first.rows == 1 and len(first.batch.row_ends) > 1:
            described = (first.batch.notes.get("outputs") or _each_row_described(outputs))[first.first]
        else:
            described = b",".join([_described(rows) for rows in outputs])
        return Reply(_JSON, b'%b,"outputs":[%b]}' % (opening, described))

    def _selected(self, opening: bytes, outputs: Mapping[str, OutputRows]) -> Reply:
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
        head = b'%b,"outputs":%b}' % (opening, orjson.dumps(described, option=NUMPY_JSON))
        if not chunks:
            return Reply(_JSON, head)
        return Reply(_BINARY, b"".join((head, *chunks)), b"inference-header-content-length: %d\r\n" % len(head))


@lru_cache(maxsize=1024)
def _opening(endpoint: str, version: str) -> bytes:
    """An answer's JSON as far as its id."""
    return orjson.dumps({"model_name": endpoint, "model_version": version})[:-1] + b',"id":'


def _each_row_described(outputs: Sequence[OutputRows]) -> list[bytes]:
    """All outputs as JSON for each row of the batch: most requests have one row, so this is written once for all."""
    tensors = [rows.batch.tensor for rows in outputs]
    described = [b"%b1%b" % _parts(tensor.name, tensor.datatype, tensor.shape[1:]) for tensor in tensors]
    form = b",".join([text.replace(b"%", b"%%") + b"[%b]}" for text in described])
    texts = [form % row for row in zip(*[rows_json(rows.batch) for rows in outputs], strict=True)]
    outputs[0].batch.notes["outputs"] = texts
    return texts


def _described(rows: OutputRows) -> bytes:
    """One output as JSON."""
    tensor = rows.batch.tensor
    head, tail = _parts(tensor.name, tensor.datatype, tensor.shape[1:])
    return b"%b%b%b%b}" % (head, b"%d" % rows.rows if tensor.shape else b"", tail, flat_json(rows))


@lru_cache(maxsize=1024)
def _parts(name: str, datatype: DataType, sizes: tuple[int, ...]) -> tuple[bytes, bytes]:
    """What stands before and behind the number of rows; `sizes` are those of the other dimensions."""
    head = orjson.dumps({"name": name, "datatype": _NAMES[datatype]})
    rest = "".join(f",{size}" for size in sizes).encode()
    return head[:-1] + b',"shape":[', rest + b'],"data":'
