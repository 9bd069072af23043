"""Answers of /invocations: {"predictions": [...]}, a prediction on each line, CSV, or npy."""

import csv
import io
from collections.abc import Sequence
from typing import Any

import orjson

from modelyard.dataplane.gateway.dialect import AnswerContext, Headers, InferenceCall, Reply
from modelyard.dataplane.gateway.signing import is_signed
from modelyard.dataplane.tensors import OutputRows, WireTensor
from modelyard.protocols.invocations.aws import captured, with_names
from modelyard.protocols.invocations.forms import formed
from modelyard.protocols.invocations.media_types import Format, Wanted
from modelyard.protocols.invocations.npy import format_npy
from modelyard.protocols.invocations.protobuf import flat, format_records
from modelyard.protocols.outputs import nested_values
from modelyard.types.tensors import CapturedBodies

_LABEL, _PROBABILITIES = "label", "probabilities"
_LINE = orjson.OPT_APPEND_NEWLINE
_NO_HEADERS: Headers = {}
_ANY = (b"", b"*/*")


class Call(InferenceCall):
    """One invocation. `npy_output`: the output that an npy answer holds; `headers`, `body`: the request's."""

    __slots__ = ("_body", "_headers", "_npy_output", "_wanted")

    def __init__(
        self,
        inputs: tuple[WireTensor, ...],
        rows: int,
        wanted: Wanted,
        npy_output: str = "",
        headers: Headers = _NO_HEADERS,
        body: bytes = b"",
    ) -> None:
        self.inputs = inputs
        self.rows = rows
        self.timeout_seconds = None
        self._wanted = wanted
        self._npy_output = npy_output
        self._headers = headers
        self._body = body

    def reply(self, outputs: Sequence[OutputRows], inference_id: str, context: AnswerContext) -> Reply:
        """See InferenceCall; the inference id is in the headers."""
        reply = self._reply(outputs, context)
        return with_names(reply, inference_id, context) if is_signed(self._headers.get(b"authorization")) else reply

    def bodies(self, reply: Reply) -> CapturedBodies | None:
        """See InferenceCall."""
        return captured(self._body, self._headers, reply)

    def _reply(self, outputs: Sequence[OutputRows], context: AnswerContext) -> Reply:
        if context.answers and self._wanted.format is not Format.NPY:
            is_open = self._headers.get(b"accept", b"").strip() in _ANY
            return formed(context.answers, outputs, self._wanted, is_open=is_open)
        chosen, media_type, has_header = self._wanted
        if chosen is Format.NPY:
            return Reply(media_type.encode(), format_npy(outputs, self._npy_output))
        rows = predictions(outputs, context.signature.class_names)
        if chosen is Format.RECORDS:
            return Reply(media_type.encode(), format_records(rows))
        if chosen is Format.CSV:
            return Reply(b"text/csv; charset=utf-8", _csv(rows, has_header=has_header))
        if chosen is Format.JSON_LINES:
            return Reply(media_type.encode(), b"".join(orjson.dumps(row, option=_LINE) for row in rows))
        return Reply(b"application/json", orjson.dumps({"predictions": rows}))


def predictions(outputs: Sequence[OutputRows], classes: Sequence[str]) -> list[dict[str, Any]]:
    """One object per row: label, confidence and probabilities of a classifier; else every output by its name."""
    values = {tensor.name: nested_values(tensor) for tensor in outputs}
    if classes and values.keys() == {_LABEL, _PROBABILITIES}:
        return [
            {
                "label": label,
                "confidence": max((p for p in row if p is not None), default=None),
                "probabilities": dict(zip(classes, row, strict=True)),
            }
            for label, row in zip(values[_LABEL], values[_PROBABILITIES], strict=True)
        ]
    return [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]


def _csv(predictions: list[dict[str, Any]], *, has_header: bool) -> bytes:
    """`label,confidence` a line for a classifier; else every output, nested ones flat."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    lines = [{name: value for name, value in row.items() if name != _PROBABILITIES} for row in predictions]
    if has_header:
        writer.writerow([name for name, value in lines[0].items() for _ in flat(value)])
    writer.writerows([item for value in row.values() for item in flat(value)] for row in lines)
    return text.getvalue().encode()
