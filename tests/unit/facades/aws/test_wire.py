"""Routing, parsing, shaping and holding, without a server."""

import importlib.util
from pathlib import Path

import pytest
from starlette.datastructures import Headers

from modelyard.facades.aws.wire.codec import bind, parse, serialize, serialize_error
from modelyard.facades.aws.wire.errors import AwsError, not_found, validation_error
from modelyard.facades.aws.wire.operations import Catalog, operation, operations_of
from modelyard.facades.aws.wire.recognition import is_for_aws
from modelyard.facades.aws.wire.requests import WireRequest
from modelyard.facades.aws.wire.routing import candidates
from modelyard.facades.aws.wire.user_agent import is_waiter
from modelyard.types.access import Action

ROOT = Path(__file__).resolve().parents[4]
JSON = "application/x-amz-json-1.1"


def json_request(target: str, body: bytes) -> WireRequest:
    return WireRequest("POST", "http", "/", "", Headers({"x-amz-target": target, "content-type": JSON}), body)


def test_a_request_finds_its_service_by_target_by_scope_and_by_path():
    assert candidates(json_request("SageMaker.CreateModel", b""), "sagemaker") == ("sagemaker",)
    assert candidates(json_request("Nobody.Knows", b""), "sagemaker") == ()
    plain = WireRequest("POST", "http", "/endpoints/wine/invocations", "", Headers({}), b"1,2")
    assert candidates(plain, "s3") == ("s3",)
    names = candidates(plain, "sagemaker")
    found = [(name, bound.name, bound.uri) for name in names if (bound := bind(name, plain))]
    assert found == [("sagemaker-runtime", "InvokeEndpoint", {"EndpointName": "wine"})]


def test_members_are_parsed_and_validated():
    request = json_request("SageMaker.ListTrainingJobs", b'{"MaxResults": 5, "CreationTimeAfter": 1700000000.5}')
    bound = bind("sagemaker", request)
    members = parse(bound, request)
    assert (members["MaxResults"], members["CreationTimeAfter"].isoformat()) == (5, "2023-11-14T22:13:20.500000+00:00")
    for body, code in (
        (b'{"MaxResults": 0}', "ValidationException"),
        (b'{"MaxResults": "many"}', "SerializationException"),
        (b"{", "SerializationException"),
        (b"[]", "SerializationException"),
    ):
        with pytest.raises(AwsError) as refused:
            parse(bound, json_request("SageMaker.ListTrainingJobs", body))
        assert refused.value.code == code


def test_what_is_none_is_left_out_of_answers():
    bound = bind("sagemaker", json_request("SageMaker.ListTags", b""))
    assert serialize(bound, {"Tags": [], "NextToken": None}, "r").body == b'{"Tags": []}'


def test_errors_have_the_status_of_the_services_model():
    bound = bind("sagemaker", json_request("SageMaker.ListTags", b""))
    gone = serialize_error(bound, not_found("no such pipeline"), "r")
    assert (gone.status, gone.headers["X-Amzn-Errortype"]) == (400, "ResourceNotFound")
    assert b"no such pipeline" in gone.body
    assert serialize_error(bound, validation_error("no"), "r").status == 400
    assert serialize_error(bound, AwsError("NotImplemented", "no", status=501), "r").status == 501


def test_the_rest_of_the_platform_is_not_taken_for_aws():
    def scope(headers: list[tuple[bytes, bytes]], query: bytes = b"", path: str = "/") -> dict:
        return {"type": "http", "method": "POST", "path": path, "headers": headers, "query_string": query}

    assert not is_for_aws(scope([(b"authorization", b"Bearer my_token")]))
    assert not is_for_aws(scope([], b"Signature=x"))
    assert is_for_aws(scope([(b"authorization", b"AWS4-HMAC-SHA256 Credential=x")]))
    form = (b"content-type", b"multipart/form-data; boundary=x")
    assert is_for_aws(scope([form], path="/bucket"))
    assert not is_for_aws(scope([form], path="/registry/v1/uploads"))
    assert not is_for_aws(scope([form, (b"authorization", b"Bearer my_token")], path="/bucket"))
    assert is_for_aws(scope([(b"x-amz-target", b"SageMaker.ListModels")]))
    assert is_for_aws(scope([], b"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=x"))
    assert is_for_aws(scope([], b"AWSAccessKeyId=x&Signature=y&Expires=1"))


def test_a_waiter_is_known_by_its_user_agent():
    agent = "Boto3/1.44.5 md/Botocore#1.44.5 ua/2.1 os/linux m/{} cfg/retry-mode#standard"
    assert is_waiter(agent.format("b,B,E,Z"))
    assert not is_waiter(agent.format("b,E,Z"))
    assert not is_waiter("curl/8.0")


def test_an_operation_is_there_once():
    class Some:
        @operation("sagemaker", "ListModels", Action.READ)
        def list_models(self, _call, _request) -> dict:
            return {}

    assert [each.name for each in Catalog(operations_of(Some()))] == ["ListModels"]
    with pytest.raises(ValueError, match="twice"):
        Catalog(operations_of(Some(), Some()))


def test_the_page_of_operations_is_up_to_date():
    spec = importlib.util.spec_from_file_location("make_aws_operations", ROOT / "scripts" / "make_aws_operations.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PAGE.read_text() == module.content(), "run python scripts/make_aws_operations.py"
