"""Inference requests: JSON, or JSON with the tensors' bytes behind it."""

from collections.abc import Sequence
from typing import Any

import msgspec

from modelyard.dataplane.errors import RequestInvalidError, UnsupportedMediaTypeError
from modelyard.dataplane.gateway.dialect import Headers
from modelyard.dataplane.tensors import WireTensor
from modelyard.errors import InvalidInputError
from modelyard.protocols.columns import gathered
from modelyard.protocols.inputs import checked, datatype_named, encode_list, plain_list
from modelyard.protocols.json_bodies import decode
from modelyard.protocols.open_inference.answers import Call, Wanted
from modelyard.protocols.open_inference.messages import InputMessage, Parameters, RequestMessage
from modelyard.runtimes.validate import TensorMissingError, TensorUnknownError
from modelyard.types.signatures import Signature

BINARY_HEADER = b"inference-header-content-length"

_MEDIA_TYPES = (b"application/json", b"application/octet-stream")
_UNSUPPORTED = ("shared_memory_region", "classification")
_NO_BYTES = memoryview(b"")
_decoder = msgspec.json.Decoder(RequestMessage)


def parse(body: bytes, headers: Headers, signature: Signature) -> Call:
    """The call that a body holds.

    Raises:
        InvalidInputError: what is wrong, where, and what to send instead.
    """
    _check_media_type(headers.get(b"content-type"))
    json_size = headers.get(BINARY_HEADER)
    if json_size is None:
        message, binary = decode(_decoder, body), _NO_BYTES
    else:
        end = _number(json_size, len(body))
        view = memoryview(body)
        message, binary = decode(_decoder, view[:end]), view[end:]
    inputs, rows = (not binary and _plain(message, signature)) or checked(
        signature, gathered(signature, _tensors(message.inputs, binary))
    )
    parameters = message.parameters
    call = Call(inputs, rows, message.id, wanted_of(message, signature))
    if parameters:
        call.timeout_seconds = timeout_of(parameters)
    return call


def _plain(message: RequestMessage, signature: Signature) -> tuple[tuple[WireTensor, ...], int] | None:
    """The one input of a request that has no other and is certainly right."""
    if len(message.inputs) != 1 or len(signature.inputs) != 1:
        return None
    given, spec = message.inputs[0], signature.inputs[0]
    tensor = plain_list(spec, given.name, given.datatype, given.shape, given.data)
    return ((tensor,), given.shape[0] if spec.shape[0] == -1 else 1) if tensor else None


def _tensors(messages: Sequence[InputMessage], binary: memoryview) -> list[WireTensor]:
    tensors, position = [], 0
    for message in messages:
        datatype = datatype_named(message.datatype, message.name)
        if message.data is not None:
            tensors.append(encode_list(message.name, datatype, message.shape, message.data))
            continue
        size = _binary_size(message)
        if position + size > len(binary):
            raise RequestInvalidError(
                f"input '{message.name[:80]}' says {size} bytes, {len(binary) - position} are left in the body",
                hint="Send the inputs' bytes behind the JSON, in the order of the inputs.",
                field=f"inputs.{message.name[:80]}",
            )
        tensors.append(WireTensor(message.name, datatype, message.shape, binary[position : position + size]))
        position += size
    if position != len(binary):
        raise RequestInvalidError(
            f"{len(binary) - position} bytes behind the JSON belong to no input",
            hint="Let binary_data_size of every input say how many bytes are its own.",
        )
    return tensors


def _binary_size(message: InputMessage) -> int:
    parameters = message.parameters or {}
    for name in _UNSUPPORTED:
        if name in parameters:
            raise _unsupported(name)
    size = parameters.get("binary_data_size")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise TensorMissingError(
            f"input '{message.name[:80]}' has neither 'data' nor a 'binary_data_size'",
            hint="Send 'data' as a list, or its bytes with the binary extension.",
            field=f"inputs.{message.name[:80]}",
        )
    return size


def wanted_of(message: RequestMessage, signature: Signature) -> Wanted:
    """Output name -> is it to be binary; empty: all outputs as JSON.

    Raises:
        InvalidInputError: an output that the model does not have, or a parameter that is not supported.
    """
    if not message.outputs and not message.parameters:
        return {}
    is_binary = bool(message.parameters and message.parameters.get("binary_data_output"))
    known = [spec.name for spec in signature.outputs]
    if not message.outputs:
        return dict.fromkeys(known, True) if is_binary else {}
    wanted: Wanted = {}
    for output in message.outputs:
        if output.name not in known:
            raise TensorUnknownError(
                f"the model has no output '{output.name[:80]}'",
                hint=f"It has {', '.join(known)}.",
                field="outputs",
            )
        parameters = output.parameters or {}
        for name in _UNSUPPORTED:
            if parameters.get(name):
                raise _unsupported(name)
        wanted[output.name] = bool(parameters.get("binary_data", is_binary))
    return wanted


def timeout_of(parameters: Parameters) -> float | None:
    """The time that a request allows, in seconds.

    Raises:
        InvalidInputError: no number.
    """
    microseconds: Any = parameters.get("timeout")
    if microseconds is None or microseconds == 0:
        return None
    if not isinstance(microseconds, int | float) or isinstance(microseconds, bool) or microseconds < 0:
        raise InvalidInputError(
            "'timeout' must be a number of microseconds", hint="1000000 is one second.", field="parameters.timeout"
        )
    return microseconds / 1e6


def _check_media_type(content_type: bytes | None) -> None:
    if content_type is None or content_type in _MEDIA_TYPES:
        return
    if content_type.partition(b";")[0].strip().lower() not in _MEDIA_TYPES:
        raise UnsupportedMediaTypeError(
            f"Content-Type '{content_type.decode('latin-1')[:80]}' is not what this path takes",
            hint="Send application/json, or application/octet-stream with the binary extension.",
        )


def _number(value: bytes, limit: int) -> int:
    if not value.isdigit() or len(value) > 18 or int(value) > limit:  # noqa: PLR2004 - more digits than any body has
        raise RequestInvalidError(
            f"Inference-Header-Content-Length is '{value.decode('latin-1')[:40]}', the body has {limit} bytes",
            hint="It is the length of the JSON part in bytes.",
        )
    return int(value)


def _unsupported(name: str) -> InvalidInputError:
    return InvalidInputError(f"the parameter '{name}' is not supported", hint="Leave it out.", field="parameters")
