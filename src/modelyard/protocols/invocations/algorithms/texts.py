"""Calls of models over texts, as SageMaker's BlazingText takes and answers them.

Source: Amazon SageMaker Developer Guide, "BlazingText", section "Model artifacts and inference".
"""

from collections.abc import Sequence
from typing import Any

import orjson

from modelyard.dataplane.errors import JsonInvalidError
from modelyard.dataplane.gateway.dialect import AnswerContext, Headers, InferenceCall, Reply
from modelyard.dataplane.tensors import OutputRows, WireTensor
from modelyard.protocols.inputs import checked, encode_list
from modelyard.protocols.invocations.algorithms.records import Records, read_records
from modelyard.protocols.invocations.aws import with_names
from modelyard.protocols.outputs import nested_values
from modelyard.types.serving.texts import VECTOR, takes_texts
from modelyard.types.signatures import DataType, Signature

_LINES = b"application/jsonlines"


class TextsCall(InferenceCall):
    """Sentences or words; `most`: how many labels each answer has at most."""

    __slots__ = ("_has_lines", "_most")

    def __init__(self, inputs: tuple[WireTensor, ...], rows: int, most: Sequence[int], *, has_lines: bool) -> None:
        self.inputs = inputs
        self.rows = rows
        self.timeout_seconds = None
        self._most = most
        self._has_lines = has_lines

    def reply(self, outputs: Sequence[OutputRows], inference_id: str, context: AnswerContext) -> Reply:
        """See InferenceCall."""
        return with_names(self._reply(outputs), inference_id, context)

    def _reply(self, outputs: Sequence[OutputRows]) -> Reply:
        columns = {tensor.name: nested_values(tensor) for tensor in outputs}
        found = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        if VECTOR not in columns:
            found = [
                {name: values[:most] for name, values in row.items()}
                for row, most in zip(found, self._most, strict=True)
            ]
        if self._has_lines:
            return Reply(_LINES, b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in found))
        return Reply(b"application/json", orjson.dumps(found))


def parse_texts(body: bytes, headers: Headers, signature: Signature) -> TextsCall | None:
    """The call of a body; None if the model takes no texts, or the body is of another form.

    Raises:
        InvalidInputError: what is wrong, and what to send instead.
    """
    records = read_records(body, headers) if takes_texts(signature) else None
    if records is None:
        return None
    texts = [_text(instance, records) for instance in records.instances]
    most = [_most(instance, records.configuration) for instance in records.instances]
    tensor = encode_list(signature.inputs[0].name, DataType.BYTES, (len(texts),), texts)
    return TextsCall(*checked(signature, [tensor]), most, has_lines=records.has_lines)


def _text(instance: Any, records: Records) -> str:
    text = instance.get("source") if isinstance(instance, dict) and records.has_lines else instance
    if not isinstance(text, str):
        raise JsonInvalidError(
            "an instance is no text",
            hint='Send {"instances": ["a sentence", ...]}, or lines like {"source": "a sentence", "k": 2}.',
            field="instances",
        )
    return text


def _most(instance: Any, configuration: dict[str, Any]) -> int:
    given = instance.get("k", 1) if isinstance(instance, dict) else configuration.get("k", 1)
    if not isinstance(given, int) or given < 1:
        raise JsonInvalidError("'k' is no whole number of at least 1", hint="Leave it out for one label.", field="k")
    return given
