"""The methods of `inference.GRPCInferenceService`."""

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from importlib.metadata import version
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from modelyard.dataplane.errors import RequestInvalidError
from modelyard.dataplane.gateway.awaited import Asked, in_order_of_completion, infer, parts
from modelyard.dataplane.gateway.dialect import EndpointView, VersionView
from modelyard.dataplane.gateway.http.responses import error_body
from modelyard.dataplane.gateway.inference import Answer, Inference
from modelyard.errors import InternalError, ModelyardError
from modelyard.kit.traces import HEADER as TRACEPARENT
from modelyard.protocols.open_inference.grpc.messages import MESSAGES, SERVICE
from modelyard.protocols.open_inference.grpc.requests import PartsCall, parse, wants_parts
from modelyard.protocols.open_inference.grpc.status import code_of
from modelyard.protocols.open_inference.rest import describe

ERROR_KEY = "modelyard-error-bin"
"""Trailing metadata with the uniform error body, JSON."""

Context = Any
_Method = Callable[[Any, Any], Awaitable[Any]]
_StreamResponse = MESSAGES["ModelStreamInferResponse"]
_Request = MESSAGES["ModelInferRequest"]
_logger = logging.getLogger(__name__)


class InferenceServicer:
    """Answers calls with what the gateway serves. A token comes as the metadata `authorization`, as over HTTP."""

    def __init__(self, inference: Inference) -> None:
        self._inference = inference
        self._version = version("modelyard")

    def handler(self) -> grpc.GenericRpcHandler:
        """The methods under their names."""
        unary: dict[str, Callable[[Any, Any], Any]] = {
            "ServerLive": self._server_live,
            "ServerReady": self._server_ready,
            "ServerMetadata": self._server_metadata,
            "ModelReady": self._model_ready,
            "ModelMetadata": self._model_metadata,
        }
        methods = {
            name: grpc.unary_unary_rpc_method_handler(
                self._guarded(method),
                request_deserializer=MESSAGES[f"{name}Request"].FromString,
                response_serializer=MESSAGES[f"{name}Response"].SerializeToString,
            )
            for name, method in unary.items()
        }
        # Inference passes bytes in both directions: their sizes count, and answers are written where they are made.
        methods["ModelInfer"] = grpc.unary_unary_rpc_method_handler(self._guarded(self._model_infer))
        methods["ModelStreamInfer"] = grpc.stream_stream_rpc_method_handler(self._model_stream_infer)
        return grpc.method_handlers_generic_handler(SERVICE, methods)

    def _guarded(self, method: Callable[[Any, Any], Any]) -> _Method:
        """`method`, its errors as gRPC has them."""

        async def guarded(request: Any, context: Context) -> Any:
            try:
                return await method(request, context)
            except ModelyardError as error:
                await _abort(context, error)
            except Exception:
                _logger.exception("a gRPC request could not be handled")
                await _abort(context, InternalError("the gateway failed on this request", hint="See its log."))

        return guarded

    async def _server_live(self, _request: Any, _context: Any) -> Any:
        return MESSAGES["ServerLiveResponse"](live=True)

    async def _server_ready(self, _request: Any, _context: Any) -> Any:
        return MESSAGES["ServerReadyResponse"](ready=self._inference.has_table)

    async def _server_metadata(self, _request: Any, context: Any) -> Any:
        self._holder(context)
        return MESSAGES["ServerMetadataResponse"](name="modelyard", version=self._version)

    async def _model_ready(self, request: Any, context: Any) -> Any:
        fields = _metadata(context)
        endpoint = self._inference.find(self._holder(context), fields.get("x-modelyard-project"), request.name)
        pool = endpoint.primary(request.version)
        is_ready = pool.is_live if request.version else endpoint.is_ready
        return MESSAGES["ModelReadyResponse"](ready=is_ready)

    async def _model_metadata(self, request: Any, context: Any) -> Any:
        fields = _metadata(context)
        endpoint = self._inference.find(self._holder(context), fields.get("x-modelyard-project"), request.name)
        pool = endpoint.primary(request.version)
        versions = [VersionView(str(each.number), each.is_live) for each in endpoint.pools.values()]
        described = describe(EndpointView(endpoint.name, str(pool.number), versions, pool.signature))
        response = MESSAGES["ModelMetadataResponse"](
            name=described["name"], versions=described["versions"], platform=described["platform"]
        )
        for specs, tensors in ((pool.signature.inputs, response.inputs), (pool.signature.outputs, response.outputs)):
            for spec in specs:
                tensors.add(name=spec.name, datatype=spec.datatype.value, shape=spec.shape)
        return response

    async def _model_infer(self, request: bytes, context: Context) -> bytes:
        answer = await self._infer(request, context)
        view = answer.view
        context.set_trailing_metadata(
            (
                ("x-modelyard-inference-id", answer.inference_id),
                ("x-modelyard-variant", view.variant),
                ("x-modelyard-model", view.label),
            )
        )
        return answer.reply.body

    async def _model_stream_infer(self, requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
        """Each request is answered as soon as that is possible; an error is the answer to one request only.

        A client that asks for an empty final response gets a response for each part of the answer before it.
        """

        async def answers(request: bytes) -> AsyncGenerator[bytes, None]:
            try:
                asked, message = self._asked(request, context)
                if wants_parts(message):
                    async with aclosing(self._parts(asked, message, context)) as own:
                        async for part in own:
                            yield _in_stream(part)
                else:
                    yield _in_stream((await self._answer(asked, message, context)).reply.body)
            except ModelyardError as error:
                yield _stream_error(request, error)
            except Exception:
                _logger.exception("a gRPC request could not be handled")
                yield _stream_error(request, InternalError("the gateway failed on this request"))

        async with aclosing(in_order_of_completion(requests, answers)) as replies:
            async for reply in replies:
                yield reply

    async def _infer(self, request: bytes, context: Context) -> Answer:
        return await self._answer(*self._asked(request, context), context)

    async def _answer(self, asked: Asked, message: Any, context: Context) -> Answer:
        seconds_left = context.time_remaining()
        return await infer(self._inference, asked, lambda signature: parse(message, signature, seconds_left))

    def _parts(self, asked: Asked, message: Any, context: Context) -> AsyncGenerator[bytes, None]:
        seconds_left = context.time_remaining()
        return parts(self._inference, asked, lambda signature: PartsCall(parse(message, signature, seconds_left)))

    def _asked(self, request: bytes, context: Context) -> tuple[Asked, Any]:
        """What a request is about, and the request itself.

        Raises:
            RequestInvalidError: it is damaged.
        """
        holder, fields = self._holder(context), _metadata(context)
        try:
            message = _Request.FromString(request)
        except DecodeError as error:
            refused = RequestInvalidError(f"the message is damaged: {error}", hint="Check the client.")
            self._inference.failed(refused.code, None, None)
            raise refused from None
        asked = Asked(
            holder,
            fields.get("x-modelyard-project"),
            message.model_name,
            message.model_version,
            len(request),
            fields.get(TRACEPARENT.decode(), b""),
        )
        return asked, message

    def _holder(self, context: Context) -> Any:
        try:
            return self._inference.access.authenticate(_metadata(context).get("authorization"))
        except ModelyardError as error:
            self._inference.failed(error.code, None, None)
            raise


def _metadata(context: Context) -> dict[str, bytes]:
    """What came with the call, as HTTP's headers; the last of several of one name."""
    pairs = context.invocation_metadata() or ()
    return {str(key): value if isinstance(value, bytes) else str(value).encode() for key, value in pairs}


async def _abort(context: Context, error: ModelyardError) -> None:
    await context.abort(code_of(error), error.message, ((ERROR_KEY, error_body(error)),))


def _in_stream(response: bytes) -> bytes:
    """A ModelInferResponse as the second field of a ModelStreamInferResponse, without reading it again."""
    return b"\x12" + _varint(len(response)) + response


def _stream_error(request: bytes, error: ModelyardError) -> bytes:
    """An error with the id of its request, so that the client knows which one failed."""
    response = _StreamResponse(error_message=error.message)
    try:
        message = _Request.FromString(request)
    except DecodeError:
        return bytes(response.SerializeToString())
    response.infer_response.id = message.id
    response.infer_response.model_name = message.model_name
    return bytes(response.SerializeToString())


def _varint(number: int) -> bytes:
    """Source: Protocol Buffers, "Encoding", base 128 varints."""
    encoded = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits a byte
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
