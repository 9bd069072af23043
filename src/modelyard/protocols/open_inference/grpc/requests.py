"""ModelInferRequest to a call, and its outputs to ModelInferResponse."""

from collections.abc import Mapping, Sequence
from typing import Any

from modelyard.dataplane.errors import RequestInvalidError
from modelyard.dataplane.gateway.dialect import AnswerContext, InferenceCall, Reply, StreamCall, StreamWriter
from modelyard.dataplane.tensors import OutputRows, WireTensor
from modelyard.protocols.columns import gathered
from modelyard.protocols.inputs import checked, datatype_named, encode_list
from modelyard.protocols.open_inference.grpc.messages import MESSAGES
from modelyard.protocols.open_inference.messages import OutputMessage, RequestMessage
from modelyard.protocols.open_inference.requests import timeout_of, wanted_of
from modelyard.runtimes.base import Ending
from modelyard.runtimes.tensors import TensorInvalidError
from modelyard.types.signatures import DataType, Signature

INFERENCE_ID = "inference_id"
PARTS, FINAL = "triton_enable_empty_final_response", "triton_final_response"

_Response = MESSAGES["ModelInferResponse"]
_CONTENTS = {
    DataType.BOOL: "bool_contents",
    DataType.INT8: "int_contents",
    DataType.INT16: "int_contents",
    DataType.INT32: "int_contents",
    DataType.INT64: "int64_contents",
    DataType.UINT8: "uint_contents",
    DataType.UINT16: "uint_contents",
    DataType.UINT32: "uint_contents",
    DataType.UINT64: "uint64_contents",
    DataType.FP32: "fp32_contents",
    DataType.FP64: "fp64_contents",
    DataType.BYTES: "bytes_contents",
}


class Call(InferenceCall):
    """One request over gRPC. Answers hold raw bytes, as Triton's do."""

    __slots__ = ("_id", "_names")

    def __init__(self, inputs: tuple[WireTensor, ...], rows: int, id: str, names: Sequence[str]) -> None:
        self.inputs = inputs
        self.rows = rows
        self.timeout_seconds = None
        self._id = id
        self._names = names

    def reply(self, outputs: Sequence[OutputRows], inference_id: str, context: AnswerContext) -> Reply:
        """See InferenceCall: a serialised ModelInferResponse."""
        response = self.response(inference_id, context)
        by_name = {tensor.name: tensor for tensor in outputs}
        for name in self._names or by_name:
            tensor = by_name[name]
            response.outputs.add(name=name, datatype=tensor.datatype.value, shape=tensor.shape)
            response.raw_output_contents.append(bytes(tensor.data))
        return Reply(b"application/grpc", response.SerializeToString())

    def response(self, inference_id: str, context: AnswerContext) -> Any:
        """A ModelInferResponse without outputs."""
        response = _Response(model_name=context.endpoint, model_version=context.version, id=self._id or inference_id)
        response.parameters[INFERENCE_ID].string_param = inference_id
        return response


class PartsCall(StreamCall):
    """A request whose answer comes as several ModelInferResponses, the last of them empty and marked."""

    __slots__ = ("_call",)

    def __init__(self, call: Call) -> None:
        self.inputs, self.rows, self.timeout_seconds = call.inputs, call.rows, call.timeout_seconds
        self._call = call

    def writer(self, inference_id: str, context: AnswerContext) -> StreamWriter:
        """See StreamCall."""
        return _PartWriter(self._call, inference_id, context)


class _PartWriter(StreamWriter):
    """Writes responses. Errors go out as the protocol's own, so there is nothing to write of them."""

    def __init__(self, call: Call, inference_id: str, context: AnswerContext) -> None:
        self._call = call
        self._inference_id = inference_id
        self._context = context

    def part(self, outputs: Sequence[OutputRows]) -> bytes:
        """See StreamWriter."""
        return self._call.reply(outputs, self._inference_id, self._context).body

    def end(self, ending: Ending) -> bytes:
        """See StreamWriter."""
        response = self._call.response(self._inference_id, self._context)
        response.parameters[FINAL].bool_param = True
        response.parameters["finish_reason"].string_param = ending.finish_reason
        return bytes(response.SerializeToString())

    def failure(self, error_body: bytes) -> bytes:
        """See StreamWriter."""
        del error_body
        return b""


def wants_parts(message: Any) -> bool:
    """True if the client of a ModelInferRequest expects several responses, and an empty one at the end."""
    parameters = message.parameters
    return PARTS in parameters and bool(parameters[PARTS].bool_param)


def parse(message: Any, signature: Signature, seconds_left: float | None) -> Call:
    """The call in a ModelInferRequest whose client waits `seconds_left`.

    Raises:
        InvalidInputError: what is wrong, where, and what to send instead.
    """
    inputs, rows = checked(signature, gathered(signature, _tensors(message)))
    parameters = _parameters(message.parameters)
    outputs = [OutputMessage(each.name, _parameters(each.parameters)) for each in message.outputs]
    wanted = wanted_of(RequestMessage([], parameters=parameters, outputs=outputs), signature)
    call = Call(inputs, rows, message.id, tuple(wanted))
    limits = [limit for limit in (timeout_of(parameters), seconds_left) if limit is not None]
    call.timeout_seconds = max(min(limits), 0.001) if limits else None
    return call


def _tensors(message: Any) -> list[WireTensor]:
    raw = message.raw_input_contents
    if raw and len(raw) != len(message.inputs):
        raise RequestInvalidError(
            f"{len(message.inputs)} inputs came with {len(raw)} raw contents",
            hint="Send raw_input_contents for all inputs, in their order, or for none.",
            field="raw_input_contents",
        )
    return [_tensor(tensor, raw[index] if raw else None) for index, tensor in enumerate(message.inputs)]


def _tensor(tensor: Any, raw: bytes | None) -> WireTensor:
    datatype, shape = datatype_named(tensor.datatype, tensor.name), tuple(tensor.shape)
    if raw is not None:
        return WireTensor(tensor.name, datatype, shape, raw)
    field = _CONTENTS.get(datatype)
    if field is None:
        raise TensorInvalidError(
            f"input '{tensor.name[:80]}' is {datatype}, which has no contents of its own",
            hint="Send its bytes in raw_input_contents.",
            field=f"inputs.{tensor.name[:80]}",
        )
    values = list(getattr(tensor.contents, field))
    if datatype is DataType.BYTES:
        values = [_text(value, tensor.name) for value in values]
    return encode_list(tensor.name, datatype, shape, values)


def _text(value: bytes, name: str) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise TensorInvalidError(
            f"input '{name[:80]}' holds a string that is no UTF-8", hint="Send UTF-8.", field=f"inputs.{name[:80]}"
        ) from None


def _parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Plain values; one without a value is None."""
    chosen = ((name, value, value.WhichOneof("parameter_choice")) for name, value in parameters.items())
    return {name: getattr(value, kind) if kind else None for name, value, kind in chosen}
