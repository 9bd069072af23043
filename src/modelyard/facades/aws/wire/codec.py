"""Requests to dicts and answers to bytes, by botocore's models and moto.core. The only module that knows moto.

moto.core promises nothing between its releases: it is pinned, and `tests/compat/aws` notices what changes.
"""

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.loaders import Loader
from botocore.utils import parse_timestamp
from botocore.validate import ParamValidator
from moto.core.errors import COMMON_ERROR_CODES
from moto.core.model import OperationModel, ServiceModel
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import Request as MotoRequest
from moto.core.routing import get_router_class
from moto.core.serialize import SerializationContext, get_serializer_class
from werkzeug.datastructures import Headers, MultiDict
from werkzeug.exceptions import NotFound

from modelyard.facades.aws.wire.answers import WireAnswer
from modelyard.facades.aws.wire.constraints import in_words, violations
from modelyard.facades.aws.wire.errors import AwsError, validation_error
from modelyard.facades.aws.wire.requests import WireRequest

_JSON_TYPES = ("application/x-amz-json-1.0", "application/x-amz-json-1.1")
_REST = ("rest-json", "rest-xml")


@dataclass(frozen=True, slots=True)
class Bound:
    """A request matched with the operation of its service's model.

    Attributes:
        protocol: that the client speaks: json, query, rest-json, rest-xml.
        uri: what stands in the path, for the protocols that put something there.
    """

    model: OperationModel
    protocol: str
    uri: Mapping[str, Any]

    @property
    def name(self) -> str:
        """AWS's name of the operation."""
        return str(self.model.name)


@functools.cache
def service_model(service: str) -> ServiceModel:
    """Botocore's model of a service; the first reading takes up to 0.1 s."""
    return ServiceModel(Loader().load_service_model(service, "service-2"), service)


def bind(service: str, request: WireRequest) -> Bound | None:
    """The operation that a request names in this service, if it has one."""
    model = service_model(service)
    protocol = _protocol(model, request)
    if protocol in _REST:
        return _bind_path(model, protocol, request)
    name = request.headers.get("x-amz-target", "").partition(".")[2]
    if protocol == "query":
        name = request.form.get("Action") or request.query.get("Action", "")
    if name not in model.operation_names:
        return None
    return Bound(model.operation_model(name), protocol, {})


def parse(bound: Bound, request: WireRequest) -> dict[str, Any]:
    """The members of the request, by the input's shape: datetimes are aware, blobs bytes.

    Raises:
        AwsError: they are not of that shape.
    """
    if bound.protocol in ("json", "rest-json") and not _has_blob_payload(bound.model):
        _check_json(request.body)
    values = MultiDict({**request.query, **request.form})
    parser = PROTOCOL_PARSERS[bound.protocol](bound.model, timestamp_parser=_timestamp)
    try:
        parsed = parser.parse(
            {
                "method": request.method,
                "values": values,
                "headers": Headers(list(request.headers.items())),
                "body": request.body,
                "url_path": request.raw_path,
                "url_params": dict(bound.uri),
            }
        )
    except (ValueError, TypeError, AttributeError) as error:
        raise AwsError("SerializationException", f"{bound.name}: a member has not its type: {error}.") from None
    members = {name: value for name, value in parsed.items() if value is not None}
    check_input(bound, members)
    return members


def check_input(bound: Bound, members: Mapping[str, Any]) -> None:
    """Nothing if the members are what the operation takes.

    Raises:
        AwsError: one is missing, or its type, length, range, form or value is wrong.
    """
    shape = bound.model.input_shape
    if shape is None:
        return
    report = ParamValidator().validate(members, shape)
    if report.has_errors():
        raise validation_error(f"{bound.name}: {report.generate_report()}")
    if found := violations(members, shape):
        raise validation_error(in_words(found))


def serialize(bound: Bound, answer: Mapping[str, Any], request_id: str) -> WireAnswer:
    """An answer by the output's shape."""
    return _serialized(bound, _without_none(answer), request_id)


def serialize_error(bound: Bound, error: AwsError, request_id: str) -> WireAnswer:
    """An error in the form of the operation's protocol."""
    if error.code not in COMMON_ERROR_CODES:
        COMMON_ERROR_CODES.append(error.code)  # else moto warns of codes that the service's model does not have
    shown = _Shown(error.message)
    shown.code = error.code
    for name, value in error.members.items():
        setattr(shown, name, value)
    answer = _serialized(bound, shown, request_id)
    is_modelled = any(error.code in (shape.error_code, shape.name) for shape in bound.model.service_model.error_shapes)
    return answer if is_modelled else WireAnswer(error.status, answer.headers, answer.body)


class _Shown(Exception):  # noqa: N818 - not raised, only looked at
    """An error as moto's serializers look at one."""

    code: str = ""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = self.Message = message


def _serialized(bound: Bound, result: Any, request_id: str) -> WireAnswer:
    serializer = get_serializer_class(str(bound.model.service_model.service_name), bound.protocol)
    answer = serializer(bound.model, SerializationContext(request_id)).serialize(result)
    body = answer["body"]
    headers = {**answer["headers"], "x-amzn-RequestId": request_id}
    return WireAnswer(answer["status_code"], headers, body.encode() if isinstance(body, str) else body)


def _protocol(model: ServiceModel, request: WireRequest) -> str:
    """Several services are open to several protocols; the client's content type says which it speaks."""
    known = model.metadata.get("protocols", [model.metadata["protocol"]])
    content_type = request.headers.get("content-type", "").partition(";")[0]
    if content_type in _JSON_TYPES and "json" in known:
        return "json"
    if content_type == "application/x-www-form-urlencoded" and "query" in known:
        return "query"
    protocol = str(model.metadata["protocol"])
    return protocol if protocol in PROTOCOL_PARSERS else next(each for each in known if each in PROTOCOL_PARSERS)


@functools.cache
def _path_router(service: str, protocol: str) -> Any:
    router = get_router_class("", protocol)
    if router is None:
        raise ValueError(f"there is no router for {protocol}")
    return router(service_model(service))


def _bind_path(model: ServiceModel, protocol: str, request: WireRequest) -> Bound | None:
    stand_in = MotoRequest.from_values(
        method=request.method,
        base_url=request.base_url,
        path=request.raw_path,
        query_string=request.raw_query,
        headers=list(request.headers.items()),
        environ_overrides={"RAW_URI": request.raw_path},
    )
    try:
        found, uri = _path_router(str(model.service_name), protocol).match(stand_in)
    except NotFound:
        return None
    return Bound(found, protocol, uri)


def _check_json(body: bytes) -> None:
    try:
        content = json.loads(body or b"{}")
    except ValueError as error:
        raise AwsError("SerializationException", f"The body is no JSON: {error}.") from None
    if not isinstance(content, dict):
        raise AwsError("SerializationException", "The body must be a JSON object.")


def _has_blob_payload(model: OperationModel) -> bool:
    shape = model.input_shape
    name = shape.serialization.get("payload") if shape is not None else None
    return name is not None and shape is not None and shape.members[name].type_name in ("blob", "string")


def _timestamp(value: Any) -> datetime:
    parsed: datetime = parse_timestamp(value)
    return parsed.astimezone(UTC)


def _without_none(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_none(each) for key, each in value.items() if each is not None}
    if isinstance(value, list | tuple):
        return [_without_none(each) for each in value]
    return value
