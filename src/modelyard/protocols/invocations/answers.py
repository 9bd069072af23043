"""Answers of /invocations: {"predictions": [...]} or CSV."""

import csv
import io
from collections.abc import Sequence
from typing import Any

import orjson

from modelyard.dataplane.errors import NotAcceptableError
from modelyard.dataplane.gateway.dialect import AnswerContext, InferenceCall, Reply
from modelyard.dataplane.tensors import OutputRows, WireTensor
from modelyard.protocols.outputs import nested_values

_LABEL, _PROBABILITIES = "label", "probabilities"
_ANY = (b"*/*", b"application/*", b"application/json")
_CSV = (b"text/csv", b"text/*")


def accepted(accept: bytes | None) -> tuple[bool, bool]:
    """What an Accept header asks for: is it CSV, and is it CSV with a header line.

    Raises:
        NotAcceptableError: it names neither JSON nor CSV.
    """
    if accept is None or accept in _ANY:
        return False, False
    choices = []
    for position, part in enumerate(accept.lower().split(b",")):
        media_type, *parameters = (piece.strip() for piece in part.split(b";"))
        if media_type in _ANY or media_type in _CSV:
            choices.append((-_quality(parameters), position, media_type in _CSV, b"header=present" in parameters))
    if not choices or min(choices)[0] == 0:
        raise NotAcceptableError(
            f"this path cannot answer with '{accept.decode('latin-1')[:80]}'",
            hint="Accept application/json or text/csv.",
        )
    return min(choices)[2:]


class Call(InferenceCall):
    """One invocation."""

    __slots__ = ("_has_header", "_is_csv")

    def __init__(self, inputs: tuple[WireTensor, ...], rows: int, *, is_csv: bool, has_header: bool) -> None:
        self.inputs = inputs
        self.rows = rows
        self.timeout_seconds = None
        self._is_csv = is_csv
        self._has_header = has_header

    def reply(self, outputs: Sequence[OutputRows], inference_id: str, context: AnswerContext) -> Reply:
        """See InferenceCall; the inference id is in the headers."""
        del inference_id
        predictions = _predictions(outputs, context.signature.class_names)
        if self._is_csv:
            return Reply(b"text/csv; charset=utf-8", _csv(predictions, has_header=self._has_header))
        return Reply(b"application/json", orjson.dumps({"predictions": predictions}))


def _predictions(outputs: Sequence[OutputRows], classes: Sequence[str]) -> list[dict[str, Any]]:
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
        writer.writerow([name for name, value in lines[0].items() for _ in _flat(value)])
    writer.writerows([item for value in row.values() for item in _flat(value)] for row in lines)
    return text.getvalue().encode()


def _flat(value: Any) -> list[Any]:
    return [leaf for item in value for leaf in _flat(item)] if isinstance(value, list) else [value]


def _quality(parameters: Sequence[bytes]) -> float:
    for parameter in parameters:
        if parameter.startswith(b"q="):
            try:
                return float(parameter[2:])
            except ValueError:
                return 0.0
    return 1.0
