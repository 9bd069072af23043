"""`generate` and `generate_stream`: one row, its fields by the names of the inputs; the answer whole or as events.

A model that takes one text has it as `text_input`, and a text that it answers is `text_output`, whatever its tensors
are called.

Source: KServe, Open Inference Protocol, generate extension; Triton Inference Server, "Generate Extension".
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import orjson

from modelyard.dataplane.errors import JsonInvalidError
from modelyard.dataplane.gateway.dialect import (
    AnswerContext,
    Headers,
    InferenceCall,
    Operation,
    PlainDialect,
    Reply,
    StreamCall,
    StreamWriter,
    Target,
)
from modelyard.dataplane.tensors import OutputRows, WireTensor
from modelyard.errors import InvalidInputError, ModelyardError
from modelyard.protocols.events import error_event, event
from modelyard.protocols.inputs import checked, encode_list
from modelyard.protocols.json_bodies import decode
from modelyard.protocols.open_inference.requests import timeout_of
from modelyard.protocols.openai.texts import is_generator, takes_text
from modelyard.protocols.outputs import nested_values
from modelyard.runtimes.base import Ending
from modelyard.types.signatures import Signature, TensorSpec

_PATH = re.compile(r"/v2/models/(?P<model>[^/]+)(?:/versions/(?P<version>[^/]+))?/(?P<verb>generate|generate_stream)")
_TEXT_IN, _TEXT_OUT = "text_input", "text_output"
_MOST_DIMENSIONS = 2

_decoder = msgspec.json.Decoder(dict[str, Any])


class OpenInferenceGenerate(PlainDialect):
    """One of the two paths. Both are made by `generate_dialects`."""

    prefixes: tuple[str, ...] = ("/v2/",)

    def __init__(self, verb: str, call: type["GenerateCall | GenerateStream"]) -> None:
        self._verb = verb
        self._call = call

    def target(self, path: str) -> Target | None:
        """See Dialect."""
        found = _PATH.fullmatch(path)
        if found is None or found["verb"] != self._verb:
            return None
        return Target(Operation.INFER, found["model"], found["version"] or "")

    def parse(self, body: bytes, headers: Headers, signature: Signature) -> InferenceCall:
        """See Dialect."""
        del headers
        fields = decode(_decoder, body)
        specs = {spec.name: spec for spec in signature.inputs}
        name, parameters = (fields.pop(own, None) if own not in specs else None for own in ("id", "parameters"))
        timeout_seconds = _timeout_of(parameters)
        if takes_text(signature) and _TEXT_IN in fields:
            fields[signature.inputs[0].name] = fields.pop(_TEXT_IN)
        tensors = [_tensor(each, value, specs.get(each)) for each, value in fields.items()]
        inputs, _ = checked(signature, tensors)
        call = self._call(inputs, str(name) if name is not None else None, is_text=is_generator(signature))
        call.timeout_seconds = timeout_seconds
        return call

    def error_fields(self, error: ModelyardError) -> Mapping[str, object]:
        """See Dialect."""
        return {"error": error.message}


class _Writer(StreamWriter):
    """Writes answers as objects."""

    def __init__(self, request_id: str, context: AnswerContext, *, is_text: bool) -> None:
        self._head = {"id": request_id, "model_name": context.endpoint, "model_version": context.version}
        self._is_text = is_text
        self._in_rows = {spec.name for spec in context.signature.outputs if spec.shape[:1] == (-1,)}

    def written(self, outputs: Sequence[OutputRows]) -> bytes:
        """The object of some outputs."""
        values = {each.name: nested_values(each) for each in outputs}
        values |= {name: value[0] for name, value in values.items() if name in self._in_rows}
        if self._is_text:
            text = next(iter(values.values()))
            values = {_TEXT_OUT: text if isinstance(text, str) else text[0]}
        return orjson.dumps(self._head | values)

    def part(self, outputs: Sequence[OutputRows]) -> bytes:
        """See StreamWriter."""
        return event(self.written(outputs))

    def end(self, ending: Ending) -> bytes:
        """See StreamWriter: of a text, why it ends."""
        last = self._head | {_TEXT_OUT: "", "finish_reason": ending.finish_reason}
        return event(orjson.dumps(last)) if self._is_text else b""

    def failure(self, error_body: bytes) -> bytes:
        """See StreamWriter."""
        return error_event(error_body)


class GenerateStream(StreamCall):
    """A request for an answer in parts."""

    __slots__ = ("_id", "_is_text")

    def __init__(self, inputs: tuple[WireTensor, ...], id: str | None, *, is_text: bool) -> None:
        self.inputs = inputs
        self.rows = 1
        self.timeout_seconds = None
        self._id = id
        self._is_text = is_text

    def writer(self, inference_id: str, context: AnswerContext) -> _Writer:
        """See StreamCall."""
        return _Writer(self._id or inference_id, context, is_text=self._is_text)


class GenerateCall(InferenceCall):
    """A request for a whole answer."""

    __slots__ = ("_stream",)

    def __init__(self, inputs: tuple[WireTensor, ...], id: str | None, *, is_text: bool) -> None:
        self.inputs = inputs
        self.rows = 1
        self.timeout_seconds = None
        self._stream = GenerateStream(inputs, id, is_text=is_text)

    def reply(self, outputs: Sequence[OutputRows], inference_id: str, context: AnswerContext) -> Reply:
        """See InferenceCall."""
        return Reply(b"application/json", self._stream.writer(inference_id, context).written(outputs))


def generate_dialects() -> tuple[OpenInferenceGenerate, ...]:
    """Both paths."""
    return (
        OpenInferenceGenerate("generate", GenerateCall),
        OpenInferenceGenerate("generate_stream", GenerateStream),
    )


def _timeout_of(parameters: Any) -> float | None:
    """The time that a request allows: the one parameter that can be followed.

    Raises:
        InvalidInputError: another one, which would change the answer.
    """
    if parameters is None:
        return None
    if not isinstance(parameters, dict):
        raise JsonInvalidError("'parameters' must be an object", hint="Leave it out.", field="parameters")
    others = [name for name, value in parameters.items() if name != "timeout" and value is not None]
    if others:
        raise InvalidInputError(
            f"the model of this endpoint takes no '{others[0][:80]}'",
            hint="Leave the parameter out: a model has its inputs and nothing else.",
            field="parameters",
        )
    return timeout_of(parameters)


def _tensor(name: str, value: Any, spec: TensorSpec | None) -> WireTensor:
    """One row of an input: a single value, or a flat list.

    Raises:
        InvalidInputError: no such input, or one that takes the other path.
    """
    if spec is None:
        raise JsonInvalidError(
            f"the model has no input '{name[:80]}'", hint="GET /v2/models/{model} names them.", field=name
        )
    values = value if isinstance(value, list) else [value]
    is_row = len(spec.shape) == _MOST_DIMENSIONS or (len(spec.shape) == 1 and len(values) == 1)
    if not is_row or spec.shape[0] != -1:
        raise JsonInvalidError(
            f"input '{name}' is no single row of values", hint="Send it to /v2/models/{model}/infer.", field=name
        )
    shape = (len(values),) if len(spec.shape) == 1 else (1, len(values))
    return encode_list(name, spec.datatype, shape, values)
