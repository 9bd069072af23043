"""Predict requests in row and column form, and their answers in the same form."""

import base64
import binascii
from collections.abc import Sequence
from typing import Any

import msgspec
import orjson

from modelyard.dataplane.errors import JsonInvalidError
from modelyard.dataplane.gateway.dialect import AnswerContext, InferenceCall, Reply
from modelyard.dataplane.tensors import OutputRows, WireTensor
from modelyard.protocols.inputs import checked
from modelyard.protocols.invocations.json_body import from_inputs, from_instances
from modelyard.protocols.json_bodies import decode
from modelyard.protocols.outputs import nested_values
from modelyard.types.signatures import Signature

_BASE64 = "b64"


class _Message(msgspec.Struct):
    """A request. Missing is not the same as null."""

    instances: Any = msgspec.UNSET
    inputs: Any = msgspec.UNSET
    signature_name: str | None = None


_decoder = msgspec.json.Decoder(_Message)


class Call(InferenceCall):
    """One request; `is_row`: it came as "instances" and is answered by "predictions"."""

    __slots__ = ("_is_row",)

    def __init__(self, inputs: tuple[WireTensor, ...], rows: int, *, is_row: bool) -> None:
        self.inputs = inputs
        self.rows = rows
        self.timeout_seconds = None
        self._is_row = is_row

    def reply(self, outputs: Sequence[OutputRows], inference_id: str, context: AnswerContext) -> Reply:
        """See InferenceCall: one output stands alone, several carry their names."""
        del inference_id, context
        values = {tensor.name: nested_values(tensor) for tensor in outputs}
        if not self._is_row:
            answer: dict[str, Any] = {"outputs": values if len(values) > 1 else next(iter(values.values()))}
        elif len(values) == 1:
            answer = {"predictions": next(iter(values.values()))}
        else:
            rows = zip(*values.values(), strict=True)
            answer = {"predictions": [dict(zip(values, row, strict=True)) for row in rows]}
        return Reply(b"application/json", orjson.dumps(answer))


def parse(body: bytes, signature: Signature) -> Call:
    """The call that a body holds.

    Raises:
        InvalidInputError: what is wrong, where, and what to send instead.
    """
    message = decode(_decoder, body)
    is_row = message.instances is not msgspec.UNSET
    if is_row == (message.inputs is not msgspec.UNSET):
        raise JsonInvalidError(
            "the object must hold either 'instances' or 'inputs'",
            hint='Send {"instances": [row, ...]} or {"inputs": {name: values}}.',
        )
    value = message.instances if is_row else message.inputs
    if b'"b64"' in body:
        value = _without_base64(value)
    tensors = from_instances(signature, value) if is_row else from_inputs(signature, value)
    return Call(*checked(signature, tensors), is_row=is_row)


def _without_base64(value: Any) -> Any:
    """`value` with every {"b64": "..."} replaced by the text that it stands for."""
    if isinstance(value, list):
        return [_without_base64(item) for item in value]
    if not isinstance(value, dict):
        return value
    encoded = value.get(_BASE64)
    if len(value) != 1 or not isinstance(encoded, str):
        return {name: _without_base64(item) for name, item in value.items()}
    try:
        return base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, ValueError):
        raise JsonInvalidError(
            "a 'b64' is no base64 of UTF-8 text", hint="Models take text; send it as a JSON string."
        ) from None
