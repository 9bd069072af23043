"""A captured request as a line of JSON, in the form that SageMaker's data capture has.

Source: Amazon SageMaker Developer Guide, "Capture data from real-time endpoint", example of a captured data file.
"""

import base64
import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from modelyard.runtimes.tensors import from_raw
from modelyard.types.serving.bodies import BODY_SIGNATURE
from modelyard.types.serving.hosting import DataCapture
from modelyard.types.tensors import CapturedBodies, CaptureRecord, RawTensor

_VERSION = "0"
_CSV = "text/csv"
_ANY_BYTES = "application/octet-stream"
_SIDES = {"INPUT": "endpointInput", "OUTPUT": "endpointOutput"}
_BODY_INPUTS = [spec.name for spec in BODY_SIGNATURE.inputs]


def line_of(record: CaptureRecord, capture: DataCapture) -> bytes:
    """The line with its end."""
    bodies = record.bodies or _rendered(record)
    sides = {"INPUT": (bodies.request_type, bodies.request), "OUTPUT": (bodies.answer_type, bodies.answer)}
    data = {_SIDES[mode]: _side(mode, *sides[mode], capture) for mode in capture.modes}
    seconds = record.at_ns // 1_000_000_000
    metadata: dict[str, Any] = {
        "eventId": record.id,
        "inferenceTime": datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    if bodies.event_id:
        metadata["inferenceId"] = bodies.event_id
    if bodies.attributes:
        metadata["customAttributes"] = [bodies.attributes]
    line = {"captureData": data, "eventMetadata": metadata, "eventVersion": _VERSION}
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


def _side(mode: str, content_type: str, body: bytes, capture: DataCapture) -> dict[str, str]:
    media_type = content_type.partition(";")[0].strip().lower()
    data, encoding = base64.b64encode(body).decode(), "BASE64"
    for types, name in ((capture.csv_types, "CSV"), (capture.json_types, "JSON")):
        if media_type in types:
            try:
                data, encoding = body.decode(), name
            except UnicodeDecodeError:
                break
    return {"observedContentType": content_type, "mode": mode, "data": data, "encoding": encoding}


def _rendered(record: CaptureRecord) -> CapturedBodies:
    """What came by another protocol, or went out in parts, as a client of SageMaker would have sent and got it."""
    if [tensor.name for tensor in record.inputs] == _BODY_INPUTS:
        body, content_type = record.inputs[:2]
        answer, answer_type = record.outputs[:2]
        return CapturedBodies(
            request_type=_text(content_type) or _ANY_BYTES,
            request=body.data,
            answer_type=_text(answer_type) or _ANY_BYTES,
            answer=answer.data,
        )
    return CapturedBodies(
        request_type=_CSV,
        request=_as_csv(record.inputs, record.rows),
        answer_type=_CSV,
        answer=_as_csv(record.outputs, record.rows),
    )


def _as_csv(tensors: Sequence[RawTensor], rows: int) -> bytes:
    """All tensors side by side, a line for each row."""
    columns = [from_raw(tensor).reshape(rows, -1).tolist() for tensor in tensors]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([cell for cells in row for cell in cells] for row in zip(*columns, strict=True))
    return text.getvalue().encode()


def _text(tensor: RawTensor) -> str:
    return str(from_raw(tensor).reshape(-1)[0])
